// Images of models and environments. ACR Tasks builds them; nobody has an admin password.

@description('Name of the registry, 5 to 50 letters and digits.')
param name string

@description('Where the registry is.')
param location string

@description('Tags of every resource.')
param tags object

@description('Tier. Premium is needed for private endpoints, zones and the retention of untagged images.')
@allowed(['Basic', 'Standard', 'Premium'])
param sku string

@description('Days that images without a tag are kept (Premium only).')
param untaggedRetentionDays int

@description('Whether only private endpoints and trusted services get in (Premium only).')
param isPrivate bool

resource registry 'Microsoft.ContainerRegistry/registries@2025-11-01' = {
  name: name
  location: location
  tags: tags
  sku: {
    name: sku
  }
  properties: {
    adminUserEnabled: false
    anonymousPullEnabled: false
    dataEndpointEnabled: false
    networkRuleBypassOptions: 'AzureServices'
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
    zoneRedundancy: sku == 'Premium' ? 'Enabled' : 'Disabled'
    policies: {
      retentionPolicy: {
        status: sku == 'Premium' ? 'enabled' : 'disabled'
        days: untaggedRetentionDays
      }
    }
  }
}

@description('ARM id of the registry.')
output id string = registry.id

@description('Name of the registry.')
output name string = registry.name
