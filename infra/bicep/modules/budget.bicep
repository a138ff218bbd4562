// A mail before the bill: at 80 % of what was planned, and when the month is forecast to exceed it.

@description('Name of the budget.')
param name string

@description('Planned costs of the resource group a month, in the currency of the subscription.')
param amount int

@description('First day that counts, the first of a month.')
param startDate string

@description('Who is written to.')
param emails array

resource budget 'Microsoft.Consumption/budgets@2024-08-01' = {
  name: name
  properties: {
    category: 'Cost'
    amount: amount
    timeGrain: 'Monthly'
    timePeriod: {
      startDate: startDate
    }
    notifications: {
      spent: {
        enabled: true
        operator: 'GreaterThan'
        threshold: 80
        thresholdType: 'Actual'
        contactEmails: emails
      }
      forecast: {
        enabled: true
        operator: 'GreaterThan'
        threshold: 100
        thresholdType: 'Forecasted'
        contactEmails: emails
      }
    }
  }
}
