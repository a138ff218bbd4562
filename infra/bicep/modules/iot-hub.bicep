// Devices at the edge; made only when it is asked for.

@description('Name of the hub.')
param name string

@description('Where the hub is.')
param location string

@description('Tags of every resource.')
param tags object

@description('Tier: F1 and S1 know IoT Edge, B1 does not.')
@allowed(['F1', 'S1', 'S2', 'S3'])
param sku string

@description('Units of that tier.')
param units int

resource hub 'Microsoft.Devices/IotHubs@2023-06-30' = {
  name: name
  location: location
  tags: tags
  sku: {
    name: sku
    capacity: units
  }
  properties: {
    disableLocalAuth: true
    minTlsVersion: '1.2'
    publicNetworkAccess: 'Enabled'
  }
}

@description('ARM id of the hub.')
output id string = hub.id

@description('Name of the hub.')
output name string = hub.name
