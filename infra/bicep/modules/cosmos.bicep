// Resources, history and events. The container's definition is that of shared/adapters/azure/cosmos_documents.py; a test
// compares the two.

@description('Name of the account.')
param name string

@description('Where the account is.')
param location string

@description('Tags of every resource.')
param tags object

@description('serverless: paid by request, up to 5,000 RU/s a partition; autoscale: provisioned between a tenth and all of it.')
@allowed(['serverless', 'autoscale'])
param capacity string

@description('Most request units a second, with autoscale.')
param maxThroughput int

@description('How far back the account can be restored.')
@allowed(['Continuous7Days', 'Continuous30Days'])
param backupTier string

@description('Whether replicas are spread over availability zones.')
param isZoneRedundant bool

@description('Whether only private endpoints get in.')
param isPrivate bool

var throughput = { autoscaleSettings: { maxThroughput: maxThroughput } }

resource account 'Microsoft.DocumentDB/databaseAccounts@2025-10-15' = {
  name: name
  location: location
  tags: tags
  kind: 'GlobalDocumentDB'
  properties: {
    databaseAccountOfferType: 'Standard'
    capabilities: capacity == 'serverless' ? [{ name: 'EnableServerless' }] : []
    consistencyPolicy: {
      defaultConsistencyLevel: 'Session'
    }
    locations: [
      {
        locationName: location
        failoverPriority: 0
        isZoneRedundant: isZoneRedundant
      }
    ]
    backupPolicy: {
      type: 'Continuous'
      continuousModeProperties: {
        tier: backupTier
      }
    }
    disableLocalAuth: true
    disableKeyBasedMetadataWriteAccess: true
    minimalTlsVersion: 'Tls12'
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
  }
}

resource database 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases@2025-10-15' = {
  parent: account
  name: 'slipway'
  properties: {
    resource: {
      id: 'slipway'
    }
  }
}

resource container 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2025-10-15' = {
  parent: database
  name: 'resources'
  properties: {
    options: capacity == 'serverless' ? {} : throughput
    resource: {
      id: 'resources'
      partitionKey: {
        paths: ['/partition']
        kind: 'Hash'
        version: 2
      }
      defaultTtl: -1
      indexingPolicy: {
        indexingMode: 'consistent'
        automatic: true
        includedPaths: [
          { path: '/sort_key/?' }
          { path: '/created_key/?' }
          { path: '/unfinished_key/?' }
          { path: '/owed_key/?' }
          { path: '/due_at/?' }
          { path: '/resource/?' }
          { path: '/event_type/?' }
          { path: '/subject/?' }
          { path: '/terms/[]/?' }
        ]
        excludedPaths: [
          { path: '/*' }
          { path: '/"_etag"/?' }
        ]
        compositeIndexes: []
      }
    }
  }
}

@description('ARM id of the account.')
output id string = account.id

@description('Name of the account.')
output name string = account.name

@description('URL of the account, without a slash at the end.')
output endpoint string = 'https://${account.name}.documents.azure.com'

@description('Name of the database.')
output databaseName string = database.name
