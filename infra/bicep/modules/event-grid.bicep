// The topics: Slipway's own, and those that storage and the registry announce to. What is subscribed to them is in
// event-subscriptions.bicep, for functions must be published before they can be subscribed.

@description('Beginning of every name.')
param prefix string

@description('Where the topics are; a system topic is where its source is.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the storage account whose blobs are announced.')
param storageName string

@description('Name of the container registry whose images are announced; empty: none.')
param registryName string

@description('ARM id of the identity that writes dead letters.')
param identityId string

@description('Form in which events are published.')
@allowed(['EventGridSchema', 'CloudEventSchemaV1_0'])
param inputSchema string

@description('Whether events can be published by private endpoints only.')
param isPrivate bool

resource storage 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageName
}

resource registry 'Microsoft.ContainerRegistry/registries@2025-11-01' existing = if (!empty(registryName)) {
  name: registryName
}

resource topic 'Microsoft.EventGrid/topics@2025-02-15' = {
  name: 'evgt-${prefix}'
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    inputSchema: inputSchema
    disableLocalAuth: true
    minimumTlsVersionAllowed: '1.2'
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
  }
}

resource storageTopic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: 'evgs-${prefix}-storage'
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    source: storage.id
    topicType: 'Microsoft.Storage.StorageAccounts'
  }
}

resource registryTopic 'Microsoft.EventGrid/systemTopics@2025-02-15' = if (!empty(registryName)) {
  name: 'evgs-${prefix}-registry'
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    source: registry.id
    topicType: 'Microsoft.ContainerRegistry.Registries'
  }
}

@description('ARM id of the topic of events that Slipway publishes.')
output topicId string = topic.id

@description('Name of that topic.')
output topicName string = topic.name

@description('URL that events are published to.')
output topicEndpoint string = topic.properties.endpoint

@description('Name of the topic of blobs.')
output storageTopicName string = storageTopic.name

@description('Name of the topic of images; empty: there is none.')
output registryTopicName string = empty(registryName) ? '' : registryTopic.name

@description('ARM ids of all of them.')
output topicIds array = concat([topic.id, storageTopic.id], empty(registryName) ? [] : [registryTopic.id])
