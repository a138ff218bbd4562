// The control plane: a function app on Flex Consumption. It scales each group of functions by itself (all HTTP functions
// together, every other function alone) and to nothing where no instance is always ready.

@description('Name of the function app.')
param name string

@description('Where it runs.')
param location string

@description('Tags of every resource.')
param tags object

@description('ARM id of the identity it acts as.')
param identityId string

@description('Client id of that identity.')
param clientId string

@description('Name of the storage account of the Functions host.')
param hostStorageName string

@description('URL of the container of packages.')
param packagesUrl string

@description('Name of Application Insights.')
param insightsName string

@description('App settings by name.')
param settings object

@description('Memory of an instance, in megabytes.')
@allowed([512, 2048, 4096])
param instanceMemoryMb int

@description('Most instances of a group of functions.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int

@description('Instances that are always there, each { name: http or function:NAME, instanceCount: n }.')
param alwaysReady array

@description('HTTP requests that one instance takes at once.')
param httpConcurrency int

@description('Whether availability zones are used.')
param isZoneRedundant bool

@description('ARM id of a subnet delegated to Microsoft.App/environments; empty: no virtual network.')
param subnetId string

@description('Address ranges that may call, besides Event Grid and Azure Monitor; empty: everybody with a key or token.')
param callerRanges array

var eventGridRule = { name: 'event-grid', ipAddress: 'AzureEventGrid', tag: 'ServiceTag', action: 'Allow', priority: 100 }
var callerRules = [
  for (callers, index) in callerRanges: { name: 'callers-${index}', ipAddress: callers, action: 'Allow', priority: 200 + index }
]

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

resource plan 'Microsoft.Web/serverfarms@2024-11-01' = {
  name: 'plan-${name}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: {
    reserved: true
    zoneRedundant: isZoneRedundant
  }
}

var hostSettings = {
  AzureWebJobsStorage__accountName: hostStorageName
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: clientId
  APPLICATIONINSIGHTS_CONNECTION_STRING: insights.properties.ConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${clientId};Authorization=AAD'
}

resource app 'Microsoft.Web/sites@2024-11-01' = {
  name: name
  location: location
  tags: union(tags, { 'azd-service-name': 'control-plane' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    clientAffinityEnabled: false
    keyVaultReferenceIdentity: identityId
    publicNetworkAccess: 'Enabled'
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: packagesUrl
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      scaleAndConcurrency: {
        maximumInstanceCount: maximumInstanceCount
        instanceMemoryMB: instanceMemoryMb
        alwaysReady: alwaysReady
        triggers: {
          http: { perInstanceConcurrency: httpConcurrency }
        }
      }
      runtime: { name: 'python', version: '3.11' }
    }
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      ftpsState: 'Disabled'
      http20Enabled: true
      ipSecurityRestrictionsDefaultAction: empty(callerRanges) ? 'Allow' : 'Deny'
      ipSecurityRestrictions: empty(callerRanges) ? [] : concat([eventGridRule], callerRules)
    }
  }
}

resource appSettings 'Microsoft.Web/sites/config@2024-11-01' = {
  parent: app
  name: 'appsettings'
  properties: union(settings, hostSettings)
}

resource publishingPasswords 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = [
  for protocol in ['ftp', 'scm']: {
    parent: app
    name: protocol
    properties: { allow: false }
  }
]

@description('ARM id of the function app.')
output id string = app.id

@description('URL of the function app.')
output url string = 'https://${app.properties.defaultHostName}'
