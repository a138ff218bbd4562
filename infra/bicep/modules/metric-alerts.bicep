// What somebody should be woken by, of the services' own metrics.

@description('Beginning of every name.')
param prefix string

@description('Tags of every resource.')
param tags object

@description('ARM id of the group of people that is told.')
param peopleId string

@description('ARM id of the Cosmos DB account.')
param cosmosId string

@description('ARM ids of the topics.')
param topicIds array

resource throttled 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: 'alert-${prefix}-cosmos-throttled'
  location: 'global'
  tags: tags
  properties: {
    description: 'Cosmos DB refuses requests (429): a partition is hot, or there is too little throughput.'
    severity: 2
    enabled: true
    scopes: [cosmosId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          name: 'throttled'
          criterionType: 'StaticThresholdCriterion'
          metricName: 'TotalRequests'
          dimensions: [
            {
              name: 'StatusCode'
              operator: 'Include'
              values: ['429']
            }
          ]
          operator: 'GreaterThan'
          threshold: 100
          timeAggregation: 'Count'
        }
      ]
    }
    actions: [
      {
        actionGroupId: peopleId
      }
    ]
  }
}

resource deadLettered 'Microsoft.Insights/metricAlerts@2018-03-01' = [
  for (topicId, index) in topicIds: {
    name: 'alert-${prefix}-dead-lettered-${index}'
    location: 'global'
    tags: tags
    properties: {
      description: 'An event could not be delivered for a day and lies in the container dead-letters.'
      severity: 1
      enabled: true
      scopes: [topicId]
      evaluationFrequency: 'PT5M'
      windowSize: 'PT15M'
      criteria: {
        'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
        allOf: [
          {
            name: 'dead-lettered'
            criterionType: 'StaticThresholdCriterion'
            metricName: 'DeadLetteredCount'
            operator: 'GreaterThan'
            threshold: 0
            timeAggregation: 'Total'
          }
        ]
      }
      actions: [
        {
          actionGroupId: peopleId
        }
      ]
    }
  }
]
