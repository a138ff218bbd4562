// The nodes that models run on. They come and go with the pods that wait for a place.

@description('Name of the cluster.')
param clusterName string

@description('Size of the nodes.')
param vmSize string

@description('Fewest nodes.')
param minNodes int

@description('Most nodes.')
param maxNodes int

@description('Availability zones of the nodes; empty: none.')
param zones array

@description('ARM id of the subnet of the nodes; empty: a network of the cluster\'s own.')
param subnetId string

resource cluster 'Microsoft.ContainerService/managedClusters@2026-03-01' existing = {
  name: clusterName
}

resource models 'Microsoft.ContainerService/managedClusters/agentPools@2026-03-01' = {
  parent: cluster
  name: 'models'
  properties: {
    mode: 'User'
    osType: 'Linux'
    osSKU: 'AzureLinux'
    vmSize: vmSize
    type: 'VirtualMachineScaleSets'
    enableAutoScaling: true
    minCount: minNodes
    maxCount: maxNodes
    maxPods: 50
    availabilityZones: zones
    vnetSubnetID: empty(subnetId) ? null : subnetId
  }
}
