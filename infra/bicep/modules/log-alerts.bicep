// What somebody should be woken by. Thresholds of queries count within the window.

@description('Beginning of every name.')
param prefix string

@description('Where the rules are.')
param location string

@description('Tags of every resource.')
param tags object

@description('Who is written to; empty: alerts are only shown.')
param emails array

@description('ARM id of Application Insights.')
param insightsId string

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-${prefix}'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'slipway'
    emailReceivers: [
      for (email, index) in emails: {
        name: 'person-${index}'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

var queries = [
  {
    name: 'poison'
    severity: 1
    text: 'A resource was put aside: reconciling it failed every time (slipway work list shows it).'
    query: 'requests | where operation_Name == "reconcile_poison"'
    threshold: 0
  }
  {
    name: 'outbox'
    severity: 1
    text: 'The outbox is not swept: events that were committed may wait.'
    query: 'requests | where operation_Name == "sweep_outbox" and success == false'
    threshold: 3
  }
  {
    name: 'failures'
    severity: 2
    text: 'Functions fail. Events and messages are tried again, people are not.'
    query: 'requests | where success == false and toint(resultCode) !between (400 .. 499)'
    threshold: 20
  }
]

resource logAlerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for each in queries: {
    name: 'alert-${prefix}-${each.name}'
    location: location
    tags: tags
    properties: {
      displayName: 'Slipway: ${each.name}'
      description: each.text
      severity: each.severity
      enabled: true
      scopes: [insightsId]
      evaluationFrequency: 'PT5M'
      windowSize: 'PT15M'
      autoMitigate: true
      criteria: {
        allOf: [
          {
            query: each.query
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: each.threshold
            failingPeriods: {
              numberOfEvaluationPeriods: 1
              minFailingPeriodsToAlert: 1
            }
          }
        ]
      }
      actions: {
        actionGroups: [people.id]
      }
    }
  }
]

@description('ARM id of the group of people that other alerts tell.')
output peopleId string = people.id
