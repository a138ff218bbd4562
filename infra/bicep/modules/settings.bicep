// Every app setting of the function app; it creates nothing. A test compares the names and defaults with
// shared/settings.py. Secrets are no values here: the vault's entries are only named.

@description('ARM id of a workspace that events name as their topic or source; it need not exist.')
param topic string

@description('Client id of the identity the function app acts as.')
param clientId string

@description('URL of the Cosmos DB account.')
param cosmosEndpoint string

@description('Name of its database.')
param cosmosDatabase string

@description('URL of the blobs.')
param blobUrl string

@description('URL of the queues.')
param queueUrl string

@description('URL that events are published to.')
param eventGridEndpoint string

@description('ARM id of the topic they are published to.')
param eventGridTopicId string

@description('Form in which they are published.')
param eventGridInputSchema string

@description('ARM id of the container registry.')
param registryId string

@description('Clusters that endpoints may run on, as shared/resources/compute.py has them.')
param computes array

@description('Name of the cluster of endpoints that name none; empty: they are refused.')
param defaultCompute string

@description('Image that profiles, optimisations and monitors run in; empty: they are refused.')
param jobImage string

@description('Messages that one instance takes from the work queue at once.')
param queueBatchSize int

@description('Settings with other values than the defaults below, by name; no secrets.')
param overrides object

@description('Settings whose values are secrets of the vault: SLIPWAY_GIT_TOKEN_MAIN is the secret SLIPWAY-GIT-TOKEN-MAIN.')
param secretNames array

@description('Name of the vault.')
param vaultName string

var tunable = {
  SLIPWAY_MANIFEST_DEADLINE_S: '3600'
  SLIPWAY_UPLOAD_SETTLE_S: '5'
  SLIPWAY_STAGING_RETENTION_S: '604800'
  SLIPWAY_SIGNED_URL_TTL_S: '3600'
  SLIPWAY_INSPECT_MAX_BYTES: '1073741824'
  SLIPWAY_INSPECT_TIMEOUT_S: '120'
  SLIPWAY_ARTIFACT_RETENTION_S: '604800'
  SLIPWAY_MODEL_SOURCE_HOSTS: ''
  SLIPWAY_MODEL_SOURCE_BUCKETS: ''
  SLIPWAY_MODEL_SOURCE_MAX_BYTES: '21474836480'
  SLIPWAY_DATA_SOURCE_MAX_BYTES: '10737418240'
  SLIPWAY_DATASTORES: ''
  SLIPWAY_S3_ENDPOINT_URL: ''
  SLIPWAY_MAX_ATTEMPTS: '8'
  SLIPWAY_RETRY_BASE_S: '2'
  SLIPWAY_OUTBOX_GRACE_S: '10'
  SLIPWAY_EVENT_PASCAL_CASE: 'false'
  SLIPWAY_PACKAGE_INDEX_URL: ''
  SLIPWAY_LOCK_TIMEOUT_S: '300'
  SLIPWAY_ENVIRONMENT_BUILD_TIMEOUT_S: '1800'
  SLIPWAY_IMAGE_BASE: ''
  SLIPWAY_BASE_IMAGE_TIMEOUT_S: '10'
  SLIPWAY_IMAGE_BUILD_TIMEOUT_S: '1800'
  SLIPWAY_OPTIMIZATION_TIMEOUT_S: '1800'
  SLIPWAY_PROFILE_TIMEOUT_S: '1500'
  SLIPWAY_MONITOR_RUN_TIMEOUT_S: '3600'
  SLIPWAY_COLLECTED_SETTLE_S: '300'
  SLIPWAY_WINDOW_SKETCH_RETENTION_S: '2678400'
  SLIPWAY_JOB_CPU: '1'
  SLIPWAY_JOB_MEMORY_GB: '4'
  SLIPWAY_JOB_SCRATCH_GB: '10'
  SLIPWAY_NOTIFIERS: ''
  SLIPWAY_PROFILE_PRICES: ''
  SLIPWAY_GIT_REPOSITORIES: ''
  SLIPWAY_TELEMETRY: 'none'
}

var wired = {
  SLIPWAY_MODE: 'azure'
  SLIPWAY_TOPIC: topic
  SLIPWAY_MANAGED_IDENTITY_CLIENT_ID: clientId
  SLIPWAY_COSMOS_ENDPOINT: cosmosEndpoint
  SLIPWAY_COSMOS_DATABASE: cosmosDatabase
  SLIPWAY_BLOB_ACCOUNT_URL: blobUrl
  SLIPWAY_QUEUE_ACCOUNT_URL: queueUrl
  SLIPWAY_WORK_QUEUE: 'reconcile'
  SLIPWAY_EVENTGRID_ENDPOINT: eventGridEndpoint
  SLIPWAY_EVENTGRID_TOPIC_ID: eventGridTopicId
  SLIPWAY_EVENTGRID_INPUT_SCHEMA: eventGridInputSchema
  SLIPWAY_CONTAINER_REGISTRY_ID: registryId
  SLIPWAY_MANAGEMENT_URL: environment().resourceManager
  SLIPWAY_COMPUTES: empty(computes) ? '' : string(computes)
  SLIPWAY_DEFAULT_COMPUTE: defaultCompute
  SLIPWAY_JOB_IMAGE: jobImage
  SLIPWAY_JOB_COMPUTE: defaultCompute
  SLIPWAY_QUEUE__queueServiceUri: queueUrl
  SLIPWAY_QUEUE__credential: 'managedidentity'
  SLIPWAY_QUEUE__clientId: clientId
  AzureFunctionsJobHost__extensions__queues__batchSize: string(queueBatchSize)
  AzureFunctionsJobHost__extensions__queues__newBatchThreshold: string(queueBatchSize / 2)
}

var named = toObject(
  secretNames,
  name => name,
  name => '@Microsoft.KeyVault(VaultName=${vaultName};SecretName=${replace(name, '_', '-')})'
)

@description('All of them by name.')
output settings object = union(tunable, overrides, named, wired)
