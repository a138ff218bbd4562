// The cluster that endpoints run on, when none is brought along. People and the control plane come with Microsoft Entra
// tokens; what the control plane may do there is in infra/kubernetes/namespace.yaml.

@description('Name of the cluster.')
param name string

@description('Where the cluster is.')
param location string

@description('Tags of every resource.')
param tags object

@description('ARM id of the identity of the cluster.')
param clusterIdentityId string

@description('ARM id of the identity the nodes pull images as.')
param kubeletIdentityId string

@description('Client id of that identity.')
param kubeletClientId string

@description('Object id of that identity.')
param kubeletPrincipalId string

@description('Groups of Microsoft Entra ID whose members administer the cluster, by object id.')
param adminGroupIds array

@description('Tier: Free has no promise of availability.')
@allowed(['Free', 'Standard', 'Premium'])
param tier string

@description('Size of the nodes of the cluster\'s own services.')
param vmSize string

@description('Availability zones of the nodes; empty: none.')
param zones array

@description('ARM id of the subnet of the nodes; empty: a network of the cluster\'s own.')
param subnetId string

@description('Whether the API server has a private address only.')
param isPrivate bool

@description('ARM id of the Log Analytics workspace.')
param workspaceId string

resource cluster 'Microsoft.ContainerService/managedClusters@2026-03-01' = {
  name: name
  location: location
  tags: tags
  sku: {
    name: 'Base'
    tier: tier
  }
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${clusterIdentityId}': {}
    }
  }
  properties: {
    dnsPrefix: name
    enableRBAC: true
    disableLocalAccounts: true
    aadProfile: {
      managed: true
      enableAzureRBAC: false
      adminGroupObjectIDs: adminGroupIds
    }
    apiServerAccessProfile: { enablePrivateCluster: isPrivate }
    oidcIssuerProfile: { enabled: true }
    securityProfile: {
      workloadIdentity: { enabled: true }
      imageCleaner: {
        enabled: true
        intervalHours: 168
      }
    }
    identityProfile: {
      kubeletidentity: {
        resourceId: kubeletIdentityId
        clientId: kubeletClientId
        objectId: kubeletPrincipalId
      }
    }
    ingressProfile: {
      gatewayAPI: {
        installation: 'Standard'
      }
      webAppRouting: {
        enabled: true
        nginx: {
          defaultIngressControllerType: 'None'
        }
        gatewayAPIImplementations: {
          appRoutingIstio: {
            mode: 'Enabled'
          }
        }
      }
    }
    networkProfile: {
      networkPlugin: 'azure'
      networkPluginMode: 'overlay'
      networkDataplane: 'cilium'
      networkPolicy: 'cilium'
      loadBalancerSku: 'standard'
    }
    autoUpgradeProfile: {
      upgradeChannel: 'stable'
      nodeOSUpgradeChannel: 'NodeImage'
    }
    addonProfiles: {
      azurepolicy: {
        enabled: true
      }
      omsagent: {
        enabled: true
        config: {
          logAnalyticsWorkspaceResourceID: workspaceId
          useAADAuth: 'true'
        }
      }
    }
    agentPoolProfiles: [
      {
        name: 'system'
        mode: 'System'
        osType: 'Linux'
        osSKU: 'AzureLinux'
        vmSize: vmSize
        type: 'VirtualMachineScaleSets'
        enableAutoScaling: true
        minCount: 1
        maxCount: 3
        maxPods: 50
        availabilityZones: zones
        vnetSubnetID: empty(subnetId) ? null : subnetId
      }
    ]
  }
}

@description('ARM id of the cluster.')
output id string = cluster.id

@description('Name of the cluster.')
output name string = cluster.name

@description('Issuer that vouches for its service accounts.')
output issuerUrl string = cluster.properties.oidcIssuerProfile.issuerURL
