// One installation of Slipway in a resource group of its own. This file only wires modules/. Deploy it with `azd up`, or with
// `az deployment sub create -l REGION -f infra/bicep/main.bicep -p infra/bicep/parameters/dev.json`; docs/cloud.md has both.
targetScope = 'subscription'

@description('Name of the installation; part of every name.')
@minLength(2)
@maxLength(12)
param environmentName string

@description('Region of everything.')
param location string

@description('How much is provisioned; sizes.json has what each means.')
@allowed(['dev', 'team', 'enterprise'])
param size string = 'dev'

@description('Whether the functions are published: events are subscribed only then (azure.yaml sees to it).')
param functionsPublished bool = false

@description('Who is written to by alerts and the budget; empty: nobody, and there is no budget.')
param alertEmails array = []

@description('Planned costs a month, in the currency of the subscription; 0: those of the size.')
param budgetAmount int = 0

@description('First day that the budget counts; the first of this month.')
param budgetStartDate string = utcNow('yyyy-MM-01')

@description('Form in which events are published.')
@allowed(['EventGridSchema', 'CloudEventSchemaV1_0'])
param eventSchema string = 'EventGridSchema'

@description('Settings with other values than the defaults in modules/settings.bicep, by name; no secrets.')
param settings object = {}

@description('Settings whose values are secrets of the vault, such as SLIPWAY_GIT_TOKEN_MAIN.')
param secretSettings array = []

@description('Whether there is a cluster: new, existing (existingClusterId) or none.')
@allowed(['new', 'existing', 'none'])
param cluster string = 'none'

@description('ARM id of the cluster to use.')
param existingClusterId string = ''

@description('Groups of Microsoft Entra ID whose members administer a new cluster, by object id; empty ones are none.')
param clusterAdminGroupIds array = []

@description('Domain of endpoints, with a DNS record *.DOMAIN that leads to the gateway; empty: they are reached from the cluster only.')
param endpointDomain string = ''

@description('Whether the gateway or the network knows callers, so that endpoints need no keys (none are kept on Azure yet).')
param openToCallers bool = false

@description('Service accounts of endpoints whose pods act as the identity of models, each `slipway:NAME`.')
param modelServiceAccounts array = []

@description('Tag of the image slipway/jobs in the registry, which profiles, optimisations and monitors run in (infra/jobs); empty: they are refused.')
param jobImageTag string = ''

@description('ARM id of a container registry to use; empty: a new one.')
param existingRegistryId string = ''

@description('Name of a vault to use; empty: a new one.')
param existingVaultName string = ''

@description('ARM id of a Log Analytics workspace to use; empty: a new one.')
param existingWorkspaceId string = ''

@description('Whether services are reached by private endpoints only; callers of the REST API come from callerRanges.')
param isPrivate bool = false

@description('Subnets to use instead of a new network, by ARM id: { network, functions, endpoints, cluster }.')
param existingNetwork object = {}

@description('Address range of a new network.')
param addressPrefix string = '10.80.0.0/16'

@description('Address ranges that may call the REST API; empty: everybody with a key or token.')
param callerRanges array = []

@description('What is otherwise than sizes.json has it for the size, in the same form: functions.instanceMemoryMb, logRetentionDays.')
param sizeChanges object = {}

@description('Computes beside the cluster, as SLIPWAY_COMPUTES has them: devices of an IoT hub, container groups, other clusters.')
param moreComputes array = []

@description('Whether there is an IoT Hub.')
param iotHub bool = false

var chosen = union(loadJsonContent('sizes.json')[size], sizeChanges)
var token = uniqueString(subscription().subscriptionId, environmentName, location)
var prefix = 'slipway-${environmentName}'
var tags = { 'azd-env-name': environmentName, application: 'slipway' }
var isNewNetwork = isPrivate && empty(existingNetwork)
var registryId = empty(existingRegistryId) ? registry.outputs.id : existingRegistryId
var registryServer = '${last(split(registryId, '/'))}${environment().suffixes.acrLoginServer}'
var vaultName = empty(existingVaultName) ? vault.outputs.name : existingVaultName
var subnets = isNewNetwork ? network.outputs.subnets : union({ network: '', functions: '', endpoints: '', cluster: '' }, existingNetwork)
var clusterId = cluster == 'new' ? kubernetes.outputs.id : existingClusterId
var gateway = { gateway: { name: 'slipway', namespace: 'slipway-gateway' }, host: '{endpoint}.${endpointDomain}' }
var compute = {
  name: 'aks'
  type: 'aks'
  resource_id: clusterId
  namespace: 'slipway'
  open_to_callers: openToCallers
  workload_identity_client_id: identities.outputs.modelsClientId
  collect_url: '${storage.outputs.blobUrl}/collected'
}

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: 'rg-${prefix}'
  location: location
  tags: tags
}

module identities 'modules/identities.bicep' = {
  scope: group
  name: 'identities'
  params: { prefix: prefix, location: location, tags: tags }
}

module network 'modules/network.bicep' = if (isNewNetwork) {
  scope: group
  name: 'network'
  params: { name: 'vnet-${prefix}', location: location, tags: tags, addressPrefix: addressPrefix }
}

module monitoring 'modules/monitoring.bicep' = {
  scope: group
  name: 'monitoring'
  params: {
    prefix: prefix
    location: location
    tags: tags
    retentionDays: chosen.logRetentionDays
    dailyQuotaGb: chosen.logQuotaGb
    existingWorkspaceId: existingWorkspaceId
  }
}

module storage 'modules/storage.bicep' = {
  scope: group
  name: 'storage'
  params: {
    name: 'st${token}'
    location: location
    tags: tags
    sku: chosen.storageSku
    deleteRetentionDays: chosen.deleteRetentionDays
    dataRetentionDays: chosen.dataRetentionDays
    isPrivate: isPrivate
  }
}

module hostStorage 'modules/host-storage.bicep' = {
  scope: group
  name: 'host-storage'
  params: { name: 'sthost${token}', location: location, tags: tags, sku: chosen.storageSku, isPrivate: isPrivate }
}

module cosmos 'modules/cosmos.bicep' = {
  scope: group
  name: 'cosmos'
  params: {
    name: 'cosmos-${token}'
    location: location
    tags: tags
    capacity: chosen.cosmos.capacity
    maxThroughput: chosen.cosmos.maxThroughput
    backupTier: chosen.cosmos.backupTier
    isZoneRedundant: !empty(chosen.zones)
    isPrivate: isPrivate
  }
}

module registry 'modules/container-registry.bicep' = if (empty(existingRegistryId)) {
  scope: group
  name: 'container-registry'
  params: {
    name: 'cr${token}'
    location: location
    tags: tags
    sku: isPrivate ? 'Premium' : chosen.registrySku
    untaggedRetentionDays: chosen.deleteRetentionDays
    isPrivate: isPrivate
  }
}

module vault 'modules/key-vault.bicep' = if (empty(existingVaultName)) {
  scope: group
  name: 'key-vault'
  params: {
    name: 'kv-${token}'
    location: location
    tags: tags
    purgeProtection: chosen.purgeProtection
    isPrivate: isPrivate
  }
}

module eventGrid 'modules/event-grid.bicep' = {
  scope: group
  name: 'event-grid'
  params: {
    prefix: prefix
    location: location
    tags: tags
    storageName: storage.outputs.name
    registryName: empty(existingRegistryId) ? registry.outputs.name : ''
    identityId: identities.outputs.eventGridId
    inputSchema: eventSchema
    isPrivate: isPrivate
  }
}

module kubernetes 'modules/kubernetes.bicep' = if (cluster == 'new') {
  scope: group
  name: 'kubernetes'
  params: {
    name: 'aks-${prefix}'
    location: location
    tags: tags
    clusterIdentityId: identities.outputs.clusterId
    kubeletIdentityId: identities.outputs.kubeletId
    kubeletClientId: identities.outputs.kubeletClientId
    kubeletPrincipalId: identities.outputs.kubeletPrincipalId
    adminGroupIds: filter(clusterAdminGroupIds, id => !empty(id))
    tier: chosen.cluster.tier
    vmSize: chosen.cluster.vmSize
    zones: chosen.zones
    subnetId: subnets.cluster
    isPrivate: isPrivate
    workspaceId: monitoring.outputs.workspaceId
  }
}

module nodes 'modules/kubernetes-nodes.bicep' = if (cluster == 'new') {
  scope: group
  name: 'kubernetes-nodes'
  params: {
    clusterName: kubernetes.outputs.name
    vmSize: chosen.cluster.vmSize
    minNodes: chosen.cluster.minNodes
    maxNodes: chosen.cluster.maxNodes
    zones: chosen.zones
    subnetId: subnets.cluster
  }
}

module workloadIdentity 'modules/workload-identity.bicep' = if (cluster == 'new') {
  scope: group
  name: 'workload-identity'
  params: {
    identityName: identities.outputs.modelsName
    issuerUrl: kubernetes.outputs.issuerUrl
    serviceAccounts: modelServiceAccounts
  }
}

module jobIdentity 'modules/workload-identity.bicep' = if (cluster == 'new') {
  scope: group
  name: 'job-identity'
  params: {
    identityName: identities.outputs.jobsName
    issuerUrl: kubernetes.outputs.issuerUrl
    serviceAccounts: ['slipway:slipway-jobs']
  }
}

module hub 'modules/iot-hub.bicep' = if (iotHub) {
  scope: group
  name: 'iot-hub'
  params: { name: 'iot-${prefix}-${token}', location: location, tags: tags, sku: 'S1', units: 1 }
}

module roles 'modules/roles.bicep' = {
  scope: group
  name: 'roles'
  params: {
    controlPlaneId: identities.outputs.controlPlanePrincipalId
    eventGridId: identities.outputs.eventGridPrincipalId
    clusterIdentityId: identities.outputs.clusterPrincipalId
    kubeletId: identities.outputs.kubeletPrincipalId
    modelsId: identities.outputs.modelsPrincipalId
    jobsId: identities.outputs.jobsPrincipalId
    names: {
      kubelet: last(split(identities.outputs.kubeletId, '/'))
      storage: storage.outputs.name
      hostStorage: hostStorage.outputs.name
      cosmos: cosmos.outputs.name
      topic: eventGrid.outputs.topicName
      insights: monitoring.outputs.insightsName
      vault: empty(existingVaultName) ? vaultName : ''
      registry: empty(existingRegistryId) ? registry.outputs.name : ''
      cluster: cluster == 'new' ? kubernetes.outputs.name : ''
      network: isNewNetwork && cluster == 'new' ? last(split(subnets.network, '/')) : ''
      hub: iotHub ? hub.outputs.name : ''
    }
  }
}

module appSettings 'modules/settings.bicep' = {
  scope: group
  name: 'settings'
  params: {
    topic: '${group.id}/providers/Microsoft.MachineLearningServices/workspaces/${prefix}'
    clientId: identities.outputs.controlPlaneClientId
    cosmosEndpoint: cosmos.outputs.endpoint
    cosmosDatabase: cosmos.outputs.databaseName
    blobUrl: storage.outputs.blobUrl
    queueUrl: storage.outputs.queueUrl
    eventGridEndpoint: eventGrid.outputs.topicEndpoint
    eventGridTopicId: eventGrid.outputs.topicId
    eventGridInputSchema: eventSchema
    registryId: registryId
    computes: concat(cluster == 'none' ? [] : [union(compute, empty(endpointDomain) ? {} : gateway)], moreComputes)
    defaultCompute: cluster == 'none' ? '' : 'aks'
    jobImage: empty(jobImageTag) || cluster == 'none' ? '' : '${registryServer}/slipway/jobs:${jobImageTag}'
    queueBatchSize: chosen.functions.queueBatchSize
    overrides: settings
    secretNames: secretSettings
    vaultName: vaultName
  }
}

module functionApp 'modules/function-app.bicep' = {
  scope: group
  name: 'function-app'
  params: {
    name: 'func-${token}'
    location: location
    tags: tags
    identityId: identities.outputs.controlPlaneId
    clientId: identities.outputs.controlPlaneClientId
    hostStorageName: hostStorage.outputs.name
    packagesUrl: hostStorage.outputs.packagesUrl
    insightsName: monitoring.outputs.insightsName
    settings: appSettings.outputs.settings
    instanceMemoryMb: chosen.functions.instanceMemoryMb
    maximumInstanceCount: chosen.functions.maximumInstanceCount
    alwaysReady: chosen.functions.alwaysReady
    httpConcurrency: chosen.functions.httpConcurrency
    isZoneRedundant: !empty(chosen.zones)
    subnetId: subnets.functions
    callerRanges: callerRanges
  }
  dependsOn: [roles]
}

module subscriptions 'modules/event-subscriptions.bicep' = if (functionsPublished) {
  scope: group
  name: 'event-subscriptions'
  params: {
    functionAppId: functionApp.outputs.id
    identityId: identities.outputs.eventGridId
    storageId: storage.outputs.id
    topicName: eventGrid.outputs.topicName
    storageTopicName: eventGrid.outputs.storageTopicName
    registryTopicName: eventGrid.outputs.registryTopicName
    eventSchema: eventSchema
  }
}

module privateEndpoints 'modules/private-endpoints.bicep' = if (isPrivate) {
  scope: group
  name: 'private-endpoints'
  params: {
    prefix: prefix
    location: location
    tags: tags
    networkId: subnets.network
    subnetId: subnets.endpoints
    storageId: storage.outputs.id
    hostStorageId: hostStorage.outputs.id
    cosmosId: cosmos.outputs.id
    topicId: eventGrid.outputs.topicId
    registryId: empty(existingRegistryId) ? registryId : ''
    vaultId: empty(existingVaultName) ? vault.outputs.id : ''
  }
}

module diagnostics 'modules/diagnostics.bicep' = {
  scope: group
  name: 'diagnostics'
  params: {
    workspaceId: monitoring.outputs.workspaceId
    cosmosName: cosmos.outputs.name
    vaultName: empty(existingVaultName) ? vaultName : ''
    topicName: eventGrid.outputs.topicName
  }
}

module logAlerts 'modules/log-alerts.bicep' = {
  scope: group
  name: 'log-alerts'
  params: {
    prefix: prefix
    location: location
    tags: tags
    emails: alertEmails
    insightsId: monitoring.outputs.insightsId
  }
}

module metricAlerts 'modules/metric-alerts.bicep' = {
  scope: group
  name: 'metric-alerts'
  params: {
    prefix: prefix
    tags: tags
    peopleId: logAlerts.outputs.peopleId
    cosmosId: cosmos.outputs.id
    topicIds: eventGrid.outputs.topicIds
  }
}

module workbook 'modules/workbook.bicep' = {
  scope: group
  name: 'workbook'
  params: {
    displayName: 'Slipway ${environmentName}'
    location: location
    tags: tags
    insightsId: monitoring.outputs.insightsId
  }
}

module budget 'modules/budget.bicep' = if (!empty(alertEmails)) {
  scope: group
  name: 'budget'
  params: {
    name: 'budget-${prefix}'
    amount: budgetAmount == 0 ? chosen.budget : budgetAmount
    startDate: budgetStartDate
    emails: alertEmails
  }
}

@description('Resource group of the installation.')
output AZURE_RESOURCE_GROUP string = group.name

@description('URL of the REST API, without /api.')
output SLIPWAY_URL string = functionApp.outputs.url

@description('Host of the container registry.')
output SLIPWAY_REGISTRY string = registryServer

@description('Name of the vault that secrets of settings belong into.')
output SLIPWAY_VAULT_NAME string = vaultName

@description('ARM id of the cluster; empty: there is none.')
output SLIPWAY_CLUSTER_ID string = cluster == 'none' ? '' : clusterId

@description('Object id of the identity of the control plane, for its rights in the cluster.')
output SLIPWAY_CONTROL_PLANE_PRINCIPAL_ID string = identities.outputs.controlPlanePrincipalId

@description('Client id of the identity of jobs, for their service account in the cluster.')
output SLIPWAY_JOBS_CLIENT_ID string = identities.outputs.jobsClientId
