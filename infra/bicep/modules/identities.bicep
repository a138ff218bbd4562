// Who acts: the control plane, Event Grid when it dead-letters, the cluster's nodes, models in pods, and jobs.

@description('Beginning of every name.')
param prefix string

@description('Where the identities are kept.')
param location string

@description('Tags of every resource.')
param tags object

resource controlPlane 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-${prefix}-control-plane'
  location: location
  tags: tags
}

resource eventGrid 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-${prefix}-event-grid'
  location: location
  tags: tags
}

resource cluster 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-${prefix}-cluster'
  location: location
  tags: tags
}

resource kubelet 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-${prefix}-kubelet'
  location: location
  tags: tags
}

resource models 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-${prefix}-models'
  location: location
  tags: tags
}

resource jobs 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-${prefix}-jobs'
  location: location
  tags: tags
}

@description('ARM id of the identity the function app acts as.')
output controlPlaneId string = controlPlane.id

@description('Object id of that identity, for role assignments.')
output controlPlanePrincipalId string = controlPlane.properties.principalId

@description('Client id of that identity, for token requests.')
output controlPlaneClientId string = controlPlane.properties.clientId

@description('ARM id of the identity Event Grid writes dead letters as.')
output eventGridId string = eventGrid.id

@description('Object id of that identity.')
output eventGridPrincipalId string = eventGrid.properties.principalId

@description('ARM id of the identity of the cluster itself.')
output clusterId string = cluster.id

@description('Object id of that identity.')
output clusterPrincipalId string = cluster.properties.principalId

@description('ARM id of the identity the nodes pull images as.')
output kubeletId string = kubelet.id

@description('Object id of that identity.')
output kubeletPrincipalId string = kubelet.properties.principalId

@description('Client id of that identity.')
output kubeletClientId string = kubelet.properties.clientId

@description('Name of that of the models, for its federated credential.')
output modelsName string = models.name

@description('Object id of that identity.')
output modelsPrincipalId string = models.properties.principalId

@description('Client id of that identity, for pods of models.')
output modelsClientId string = models.properties.clientId

@description('Name of that of the jobs, for its federated credential.')
output jobsName string = jobs.name

@description('Object id of that identity.')
output jobsPrincipalId string = jobs.properties.principalId

@description('Client id of that identity, for the service account of jobs.')
output jobsClientId string = jobs.properties.clientId
