// Which events wake which function. Event Grid finds a function's key by itself (endpoint type AzureFunction), so that
// none is written down. What no function took within a day is kept as a dead letter.

@description('ARM id of the function app.')
param functionAppId string

@description('ARM id of the identity that writes dead letters.')
param identityId string

@description('ARM id of the storage account that keeps dead letters.')
param storageId string

@description('Name of the topic of events that Slipway publishes.')
param topicName string

@description('Name of the topic of blobs.')
param storageTopicName string

@description('Name of the topic of images; empty: there is none.')
param registryTopicName string

@description('Form in which Slipway publishes events; they are delivered in the same.')
param eventSchema string

var deliveries = { maxDeliveryAttempts: 30, eventTimeToLiveInMinutes: 1440 }

var deadLetters = {
  identity: {
    type: 'UserAssigned'
    userAssignedIdentity: identityId
  }
  deadLetterDestination: {
    endpointType: 'StorageBlob'
    properties: {
      resourceId: storageId
      blobContainerName: 'dead-letters'
    }
  }
}

resource storageTopic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: storageTopicName
}

resource blobCreated 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: storageTopic
  name: 'blob-created'
  properties: {
    destination: {
      endpointType: 'AzureFunction'
      properties: {
        resourceId: '${functionAppId}/functions/storage_event'
        maxEventsPerBatch: 1
      }
    }
    filter: {
      includedEventTypes: ['Microsoft.Storage.BlobCreated']
      advancedFilters: [
        {
          operatorType: 'StringBeginsWith'
          key: 'subject'
          values: [
            '/blobServices/default/containers/uploads/'
            '/blobServices/default/containers/config/'
            '/blobServices/default/containers/collected/'
          ]
        }
      ]
    }
    eventDeliverySchema: 'EventGridSchema'
    retryPolicy: deliveries
    deadLetterWithResourceIdentity: deadLetters
  }
}

resource topic 'Microsoft.EventGrid/topics@2025-02-15' existing = {
  name: topicName
}

resource resourceChanged 'Microsoft.EventGrid/topics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: 'resource-changed'
  properties: {
    destination: {
      endpointType: 'AzureFunction'
      properties: {
        resourceId: '${functionAppId}/functions/lifecycle_event'
        maxEventsPerBatch: 1
      }
    }
    filter: {
      includedEventTypes: [
        'Microsoft.MachineLearningServices.ModelRegistered'
        'Slipway.ModelOptimized'
        'Slipway.ModelNotOptimized'
        'Slipway.ModelProfiled'
        'Slipway.ModelProfileFailed'
        'Slipway.UploadRegistered'
        'Slipway.ResourceDeclared'
        'Slipway.ResourceUpdated'
      ]
    }
    eventDeliverySchema: eventSchema
    retryPolicy: deliveries
    deadLetterWithResourceIdentity: deadLetters
  }
}

resource registryTopic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = if (!empty(registryTopicName)) {
  name: registryTopicName
}

resource imagePushed 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = if (!empty(registryTopicName)) {
  parent: registryTopic
  name: 'image-pushed'
  properties: {
    destination: {
      endpointType: 'AzureFunction'
      properties: {
        resourceId: '${functionAppId}/functions/container_registry_event'
        maxEventsPerBatch: 1
      }
    }
    filter: {
      includedEventTypes: ['Microsoft.ContainerRegistry.ImagePushed']
    }
    eventDeliverySchema: 'EventGridSchema'
    retryPolicy: deliveries
    deadLetterWithResourceIdentity: deadLetters
  }
}
