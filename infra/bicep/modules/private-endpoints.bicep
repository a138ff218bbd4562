// A private address of every service that the control plane calls, and the names that lead to it.

@description('Beginning of every name.')
param prefix string

@description('Where the endpoints are.')
param location string

@description('Tags of every resource.')
param tags object

@description('ARM id of the virtual network.')
param networkId string

@description('ARM id of the subnet of the endpoints.')
param subnetId string

@description('ARM id of the storage account.')
param storageId string

@description('ARM id of the storage account of the Functions host.')
param hostStorageId string

@description('ARM id of the Cosmos DB account.')
param cosmosId string

@description('ARM id of the topic of events that Slipway publishes.')
param topicId string

@description('ARM id of the container registry; empty: it was brought along.')
param registryId string

@description('ARM id of the vault; empty: it was brought along.')
param vaultId string

var blobZone = 'privatelink.blob.${environment().suffixes.storage}'
var queueZone = 'privatelink.queue.${environment().suffixes.storage}'
var tableZone = 'privatelink.table.${environment().suffixes.storage}'
var offered = [
  { name: 'blob', serviceId: storageId, group: 'blob', zone: blobZone }
  { name: 'queue', serviceId: storageId, group: 'queue', zone: queueZone }
  { name: 'host-blob', serviceId: hostStorageId, group: 'blob', zone: blobZone }
  { name: 'host-queue', serviceId: hostStorageId, group: 'queue', zone: queueZone }
  { name: 'host-table', serviceId: hostStorageId, group: 'table', zone: tableZone }
  { name: 'cosmos', serviceId: cosmosId, group: 'Sql', zone: 'privatelink.documents.azure.com' }
  { name: 'topic', serviceId: topicId, group: 'topic', zone: 'privatelink.eventgrid.azure.net' }
  { name: 'registry', serviceId: registryId, group: 'registry', zone: 'privatelink.azurecr.io' }
  { name: 'vault', serviceId: vaultId, group: 'vault', zone: 'privatelink.vaultcore.azure.net' }
]
var services = filter(offered, service => !empty(service.serviceId))
var zoneNames = union(map(services, service => service.zone), [])

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for zone in zoneNames: {
    name: zone
    location: 'global'
    tags: tags
  }
]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (zone, index) in zoneNames: {
    parent: zones[index]
    name: prefix
    location: 'global'
    tags: tags
    properties: {
      registrationEnabled: false
      virtualNetwork: {
        id: networkId
      }
    }
  }
]

resource endpoints 'Microsoft.Network/privateEndpoints@2025-05-01' = [
  for service in services: {
    name: 'pe-${prefix}-${service.name}'
    location: location
    tags: tags
    properties: {
      subnet: {
        id: subnetId
      }
      privateLinkServiceConnections: [
        {
          name: service.name
          properties: {
            privateLinkServiceId: service.serviceId
            groupIds: [service.group]
          }
        }
      ]
    }
  }
]

resource names 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-05-01' = [
  for (service, index) in services: {
    parent: endpoints[index]
    name: 'default'
    properties: {
      privateDnsZoneConfigs: [
        {
          name: service.name
          properties: {
            privateDnsZoneId: resourceId('Microsoft.Network/privateDnsZones', service.zone)
          }
        }
      ]
    }
    dependsOn: [zones]
  }
]
