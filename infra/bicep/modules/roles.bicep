// Every role that is given to anybody, and why. Each is as narrow as its service has it. What was brought along (a vault, a
// registry, a cluster) is not here: docs/cloud.md says which roles to give there.

@description('Object id of the identity of the control plane.')
param controlPlaneId string

@description('Object id of the identity of Event Grid.')
param eventGridId string

@description('Object id of the identity of the cluster.')
param clusterIdentityId string

@description('Object id of the identity of the nodes.')
param kubeletId string

@description('Object id of the identity of models in pods.')
param modelsId string

@description('Object id of the identity of jobs: profiles and monitors.')
param jobsId string

@description('Names of the identities, accounts and services that roles are for: kubelet, storage, hostStorage, cosmos, topic, insights; vault, registry, cluster, network, hub: empty where there is none of ours.')
param names object

var ids = {
  blobOwner: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b' // Storage Blob Data Owner
  blobContributor: 'ba92f5b4-2d11-453d-a403-e96b0029c9fe' // Storage Blob Data Contributor
  blobReader: '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1' // Storage Blob Data Reader
  blobDelegator: 'db58b8e5-c6ad-4a2a-8342-4190687cbf4a' // Storage Blob Delegator
  queueContributor: '974c5e8b-45b9-4653-ba55-5f855dd0fb88' // Storage Queue Data Contributor
  tableContributor: '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3' // Storage Table Data Contributor
  eventSender: 'd5a91429-5739-47e2-a06b-3470a27159e7' // EventGrid Data Sender
  subscriber: '428e0ff0-5e57-4d9c-a221-2c70d0e0a443' // EventGrid EventSubscription Contributor
  secretsUser: '4633458b-17de-408a-b874-0445c86b69e6' // Key Vault Secrets User
  clusterUser: '4abbcc35-e782-43d8-92c5-2d3f1bd2253f' // Azure Kubernetes Service Cluster User Role
  imagePuller: '7f951dda-4ed3-4680-a7ca-43fe172d538d' // AcrPull
  identityOperator: 'f1a07417-d97a-45cb-824c-7a7467783830' // Managed Identity Operator
  networkContributor: '4d97b98b-1d4f-4787-a291-c67834d212e7' // Network Contributor
  hubContributor: '4fc6c259-987e-4a07-842e-c321cc9d413f' // IoT Hub Data Contributor
  metricsPublisher: '3913510d-42f4-4e42-8a64-420c390055eb' // Monitoring Metrics Publisher
}

resource storage 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: names.storage
}

resource deadLetters 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' existing = {
  name: '${names.storage}/default/dead-letters'
}

resource collected 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' existing = {
  name: '${names.storage}/default/collected'
}

resource artifacts 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' existing = {
  name: '${names.storage}/default/artifacts'
}

resource hostStorage 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: names.hostStorage
}

resource cosmos 'Microsoft.DocumentDB/databaseAccounts@2025-10-15' existing = {
  name: names.cosmos
}

resource topic 'Microsoft.EventGrid/topics@2025-02-15' existing = {
  name: names.topic
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: names.insights
}

resource kubelet 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: names.kubelet
}

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' existing = if (!empty(names.vault)) {
  name: names.vault
}

resource registry 'Microsoft.ContainerRegistry/registries@2025-11-01' existing = if (!empty(names.registry)) {
  name: names.registry
}

resource cluster 'Microsoft.ContainerService/managedClusters@2026-03-01' existing = if (!empty(names.cluster)) {
  name: names.cluster
}

resource hub 'Microsoft.Devices/IotHubs@2023-06-30' existing = if (!empty(names.hub)) {
  name: names.hub
}

resource network 'Microsoft.Network/virtualNetworks@2025-05-01' existing = if (!empty(names.network)) {
  name: names.network
}

// It reads uploads, writes artifacts and deletes what nobody registered.
resource filesOfModels 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(storage.id, controlPlaneId, ids.blobContributor)
  scope: storage
  properties: {
    principalId: controlPlaneId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', ids.blobContributor)
  }
}

// It signs URLs for uploads and downloads with a user delegation key, for there is no account key.
resource signedUrls 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(storage.id, controlPlaneId, ids.blobDelegator)
  scope: storage
  properties: {
    principalId: controlPlaneId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', ids.blobDelegator)
  }
}

// It sends and takes work; the host makes messages that failed five times poison.
resource workQueue 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(storage.id, controlPlaneId, ids.queueContributor)
  scope: storage
  properties: {
    principalId: controlPlaneId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', ids.queueContributor)
  }
}

// The Functions host keeps the locks of timers and its package in its own account, and demands this role for it.
resource hostBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(hostStorage.id, controlPlaneId, ids.blobOwner)
  scope: hostStorage
  properties: {
    principalId: controlPlaneId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', ids.blobOwner)
  }
}

// The Functions host keeps its own messages there.
resource hostQueues 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(hostStorage.id, controlPlaneId, ids.queueContributor)
  scope: hostStorage
  properties: {
    principalId: controlPlaneId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', ids.queueContributor)
  }
}

// The Functions host writes its diagnostic events there.
resource hostTables 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(hostStorage.id, controlPlaneId, ids.tableContributor)
  scope: hostStorage
  properties: {
    principalId: controlPlaneId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', ids.tableContributor)
  }
}

// It publishes the events of the outbox.
resource publishing 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(topic.id, controlPlaneId, ids.eventSender)
  scope: topic
  properties: {
    principalId: controlPlaneId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', ids.eventSender)
  }
}

// People manage subscriptions of this one topic by its REST API.
resource subscribing 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(topic.id, controlPlaneId, ids.subscriber)
  scope: topic
  properties: {
    principalId: controlPlaneId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', ids.subscriber)
  }
}

// Its telemetry is taken from nobody else, for there is no instrumentation key that would do.
resource telemetry 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(insights.id, controlPlaneId, ids.metricsPublisher)
  scope: insights
  properties: {
    principalId: controlPlaneId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', ids.metricsPublisher)
  }
}

// Event Grid writes what no function took into this one container.
resource deadLettering 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(deadLetters.id, eventGridId, ids.blobContributor)
  scope: deadLetters
  properties: {
    principalId: eventGridId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', ids.blobContributor)
  }
}

// Models in pods append what they were asked and answered to this one container.
resource collecting 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(collected.id, modelsId, ids.blobContributor)
  scope: collected
  properties: {
    principalId: modelsId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', ids.blobContributor)
  }
}

// Jobs read models, data and what they are to do, and store what comes of it; registered files are named by their
// SHA-256, so a wrong one is found.
resource jobFiles 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(artifacts.id, jobsId, ids.blobContributor)
  scope: artifacts
  properties: {
    principalId: jobsId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', ids.blobContributor)
  }
}

// Jobs of monitors read what models in pods collected, and change nothing of it.
resource readingCollected 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(collected.id, jobsId, ids.blobReader)
  scope: collected
  properties: {
    principalId: jobsId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', ids.blobReader)
  }
}

// It writes configurations of devices and reads how far they are. The hub has no role for these two alone.
resource deviceConfigurations 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(names.hub)) {
  name: guid(hub.id, controlPlaneId, ids.hubContributor)
  scope: hub
  properties: {
    principalId: controlPlaneId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', ids.hubContributor)
  }
}

// App settings that name secrets are resolved as this identity; it cannot write any.
resource secrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(names.vault)) {
  name: guid(vault.id, controlPlaneId, ids.secretsUser)
  scope: vault
  properties: {
    principalId: controlPlaneId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', ids.secretsUser)
  }
}

// Nodes pull the images of models.
resource pulling 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(names.registry)) {
  name: guid(registry.id, kubeletId, ids.imagePuller)
  scope: registry
  properties: {
    principalId: kubeletId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', ids.imagePuller)
  }
}

// It asks where the cluster is; what it may do there is in infra/kubernetes/namespace.yaml.
resource loggingIn 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(names.cluster)) {
  name: guid(cluster.id, controlPlaneId, ids.clusterUser)
  scope: cluster
  properties: {
    principalId: controlPlaneId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', ids.clusterUser)
  }
}

// The cluster gives its nodes the identity that pulls images.
resource assigning 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(names.cluster)) {
  name: guid(kubelet.id, clusterIdentityId, ids.identityOperator)
  scope: kubelet
  properties: {
    principalId: clusterIdentityId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', ids.identityOperator)
  }
}

// The cluster puts nodes and load balancers into its subnet.
resource joining 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(names.network)) {
  name: guid(network.id, clusterIdentityId, ids.networkContributor)
  scope: network
  properties: {
    principalId: clusterIdentityId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', ids.networkContributor)
  }
}

// It reads and writes resources, history and events; Cosmos DB has roles of its own, and this is the only one for data.
resource documents 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2025-10-15' = {
  parent: cosmos
  name: guid(cosmos.id, controlPlaneId, 'data-contributor')
  properties: {
    principalId: controlPlaneId
    roleDefinitionId: '${cosmos.id}/sqlRoleDefinitions/00000000-0000-0000-0000-000000000002'
    scope: '${cosmos.id}/dbs/slipway'
  }
}

// ACR Tasks has no role that only runs builds: this one can neither delete images nor change the registry.
resource imageBuilder 'Microsoft.Authorization/roleDefinitions@2022-04-01' = if (!empty(names.registry)) {
  name: guid(resourceGroup().id, 'slipway-image-builder')
  properties: {
    roleName: 'Slipway image builder (${names.storage})'
    description: 'Uploads a build context, runs a build in ACR Tasks, follows and cancels it.'
    type: 'CustomRole'
    assignableScopes: [resourceGroup().id]
    permissions: [
      {
        actions: [
          'Microsoft.ContainerRegistry/registries/read'
          'Microsoft.ContainerRegistry/registries/listBuildSourceUploadUrl/action'
          'Microsoft.ContainerRegistry/registries/scheduleRun/action'
          'Microsoft.ContainerRegistry/registries/runs/read'
          'Microsoft.ContainerRegistry/registries/runs/cancel/action'
          'Microsoft.ContainerRegistry/registries/runs/listLogSasUrl/action'
        ]
        notActions: []
        dataActions: []
        notDataActions: []
      }
    ]
  }
}

// It has ACR Tasks build the images of models and environments.
resource building 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(names.registry)) {
  name: guid(registry.id, controlPlaneId, 'slipway-image-builder')
  scope: registry
  properties: {
    principalId: controlPlaneId
    principalType: 'ServicePrincipal'
    roleDefinitionId: imageBuilder.id
  }
}
