// The virtual network of an installation that is closed to the internet. Left out where one is brought along.

@description('Name of the network.')
param name string

@description('Where the network is.')
param location string

@description('Tags of every resource.')
param tags object

@description('Address range, at least a /16.')
param addressPrefix string

resource denyInbound 'Microsoft.Network/networkSecurityGroups@2025-05-01' = {
  name: 'nsg-${name}'
  location: location
  tags: tags
  properties: {
    securityRules: [
      {
        name: 'deny-internet'
        properties: {
          access: 'Deny'
          direction: 'Inbound'
          priority: 4000
          protocol: '*'
          sourceAddressPrefix: 'Internet'
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          destinationPortRange: '*'
        }
      }
    ]
  }
}

// The cluster has no rule of ours: its gateway is called from the internet, and the cluster keeps its own rules.
resource network 'Microsoft.Network/virtualNetworks@2025-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: [addressPrefix]
    }
    subnets: [
      {
        name: 'functions'
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 24, 0)
          networkSecurityGroup: {
            id: denyInbound.id
          }
          delegations: [
            {
              name: 'flex-consumption'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 24, 1)
          networkSecurityGroup: {
            id: denyInbound.id
          }
        }
      }
      {
        name: 'cluster'
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 20, 1)
        }
      }
    ]
  }
}

@description('ARM ids of the network and of its subnets: { network, functions, endpoints, cluster }.')
output subnets object = {
  network: network.id
  functions: '${network.id}/subnets/functions'
  endpoints: '${network.id}/subnets/endpoints'
  cluster: '${network.id}/subnets/cluster'
}
