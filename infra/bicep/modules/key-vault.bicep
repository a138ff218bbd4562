// Secrets that people bring (git tokens, webhook secrets). App settings only name them.

@description('Name of the vault, 3 to 24 characters.')
param name string

@description('Where the vault is.')
param location string

@description('Tags of every resource.')
param tags object

@description('Whether deleted secrets cannot be purged before their retention is over. It can never be taken back.')
param purgeProtection bool

@description('Whether only private endpoints and trusted services get in.')
param isPrivate bool

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enabledForDeployment: false
    enabledForTemplateDeployment: false
    enableSoftDelete: true
    softDeleteRetentionInDays: 30
    enablePurgeProtection: purgeProtection ? true : null
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: isPrivate ? 'Deny' : 'Allow'
    }
  }
}

@description('ARM id of the vault.')
output id string = vault.id

@description('Name of the vault.')
output name string = vault.name
