// Pods of models act as a managed identity: the cluster's issuer vouches for their service accounts.

@description('Name of the identity.')
param identityName string

@description('Issuer of the cluster.')
param issuerUrl string

@description('Service accounts that may act as the identity, each `NAMESPACE:NAME`.')
param serviceAccounts array

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: identityName
}

@batchSize(1)
resource credentials 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2024-11-30' = [
  for account in serviceAccounts: {
    parent: identity
    name: replace(account, ':', '-')
    properties: {
      issuer: issuerUrl
      subject: 'system:serviceaccount:${account}'
      audiences: ['api://AzureADTokenExchange']
    }
  }
]
