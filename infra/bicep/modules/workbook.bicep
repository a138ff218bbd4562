// One page of what the control plane does, for people; its content is workbook.json.

@description('Name that people see.')
param displayName string

@description('Where the workbook is.')
param location string

@description('Tags of every resource.')
param tags object

@description('ARM id of Application Insights, which its queries ask.')
param insightsId string

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, 'slipway-workbook')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: displayName
    category: 'workbook'
    sourceId: insightsId
    serializedData: loadTextContent('workbook.json')
  }
}
