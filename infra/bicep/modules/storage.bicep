// What Slipway keeps files in, and its work queue. Nobody has a key of it: roles only.

@description('Name of the account, 3 to 24 lower-case letters and digits.')
param name string

@description('Where the account is.')
param location string

@description('Tags of every resource.')
param tags object

@description('Redundancy of the account.')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_GZRS'])
param sku string

@description('Days that deleted files can be restored.')
param deleteRetentionDays int

@description('Days that collected data and dead letters are kept.')
param dataRetentionDays int

@description('Whether only the virtual network and trusted services get in.')
param isPrivate bool

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: sku
  }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: 'Enabled'
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: isPrivate ? 'Deny' : 'Allow'
    }
    encryption: {
      keySource: 'Microsoft.Storage'
      requireInfrastructureEncryption: true
      services: {
        blob: {
          enabled: true
          keyType: 'Account'
        }
        queue: {
          enabled: true
          keyType: 'Account'
        }
      }
    }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' = {
  parent: account
  name: 'default'
  properties: {
    deleteRetentionPolicy: {
      enabled: true
      days: deleteRetentionDays
    }
    containerDeleteRetentionPolicy: {
      enabled: true
      days: deleteRetentionDays
    }
  }
}

// uploads: dropped files; config: declared files; staging: sent to signed URLs; artifacts: registered files;
// policies: rules; collected: inputs and outputs of endpoints; dead-letters: events nobody took.
resource containers 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = [
  for container in ['uploads', 'config', 'staging', 'artifacts', 'policies', 'collected', 'dead-letters']: {
    parent: blobs
    name: container
    properties: {
      publicAccess: 'None'
    }
  }
]

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2025-06-01' = {
  parent: account
  name: 'default'
}

// The Functions host moves a message that failed five times to the queue with `-poison` behind its name; the poison
// queue has a function of its own, and so a poison queue of its own.
resource queues 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-06-01' = [
  for queue in ['reconcile', 'reconcile-poison', 'reconcile-poison-poison']: {
    parent: queueService
    name: queue
  }
]

// Of uploads, staging and artifacts Slipway itself deletes what nothing refers to: a rule here would take files of
// registered versions.
resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2025-06-01' = {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: [
        {
          name: 'expire-collected-data-and-dead-letters'
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: {
              blobTypes: ['blockBlob', 'appendBlob']
              prefixMatch: ['collected/', 'dead-letters/']
            }
            actions: {
              baseBlob: {
                delete: {
                  daysAfterModificationGreaterThan: dataRetentionDays
                }
              }
            }
          }
        }
      ]
    }
  }
  dependsOn: [blobs]
}

@description('ARM id of the account.')
output id string = account.id

@description('Name of the account.')
output name string = account.name

@description('URL of its blobs, without a slash at the end.')
output blobUrl string = 'https://${account.name}.blob.${environment().suffixes.storage}'

@description('URL of its queues, without a slash at the end.')
output queueUrl string = 'https://${account.name}.queue.${environment().suffixes.storage}'
