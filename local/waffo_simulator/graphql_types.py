"""The GraphQL schema: names and shapes as the SDK's guide and recorded answers show them."""

from graphql import GraphQLSchema, build_schema

SCHEMA: GraphQLSchema = build_schema(
    '''
"""An ISO 8601 instant in UTC."""
scalar DateTime

input StringFilter { eq: String ne: String contains: String startsWith: String endsWith: String in: [String!] }
input IntFilter { eq: Int ne: Int gt: Int gte: Int lt: Int lte: Int }
input BooleanFilter { eq: Boolean }
input DateTimeFilter { eq: DateTime ne: DateTime gt: DateTime gte: DateTime lt: DateTime lte: DateTime }

input SubscriptionOrderFilter {
  id: StringFilter status: StringFilter currency: StringFilter buyerEmail: StringFilter billingPeriod: StringFilter
  orderMerchantExternalId: StringFilter merchantProvidedBuyerIdentity: StringFilter testMode: BooleanFilter
  currentPeriodNumber: IntFilter currentPeriodStart: DateTimeFilter currentPeriodEnd: DateTimeFilter
  createdAt: DateTimeFilter updatedAt: DateTimeFilter
}
input OnetimeOrderFilter {
  id: StringFilter status: StringFilter currency: StringFilter buyerEmail: StringFilter
  orderMerchantExternalId: StringFilter merchantProvidedBuyerIdentity: StringFilter testMode: BooleanFilter
  createdAt: DateTimeFilter updatedAt: DateTimeFilter
}
input PaymentFilter {
  id: StringFilter orderId: StringFilter status: StringFilter orderMerchantExternalId: StringFilter
  testMode: BooleanFilter periodNumber: IntFilter createdAt: DateTimeFilter
}
input RefundFilter {
  id: StringFilter status: StringFilter orderMerchantExternalId: StringFilter
  refundTicketMerchantExternalId: StringFilter createdAt: DateTimeFilter
}
input RefundTicketFilter {
  id: StringFilter status: StringFilter refundTicketMerchantExternalId: StringFilter createdAt: DateTimeFilter
}
input WebhookDeliveryFilter {
  id: StringFilter status: StringFilter eventType: StringFilter eventId: StringFilter webhookUrl: StringFilter
  attemptCount: IntFilter createdAt: DateTimeFilter lastAttemptedAt: DateTimeFilter
}
input ProductFilter { id: StringFilter name: StringFilter status: StringFilter }

type StoreWebhook {
  id: ID! storeId: String! channel: String! url: String! events: [String!]! testMode: Boolean!
  createdAt: DateTime! updatedAt: DateTime!
}
type Store {
  id: ID! name: String! slug: String! status: String! prodEnabled: Boolean! storeWebhooks: [StoreWebhook!]!
}
type PriceInfo { amount: String! taxCategory: String! trialAmount: String }
type CurrencyPrice { currency: String! priceInfo: PriceInfo! }
type Money { amount: String! currency: String! display: String! }
type AmountDetails {
  currency: String! subtotal: String! taxAmount: String! total: String! taxCategory: String! phase: String
}
type PhasePrice { subtotal: String! taxAmount: String! total: String! taxCategory: String! }
type SubscriptionPriceSnapshot {
  currency: String! specialPhaseDays: Int specialPhase: PhasePrice regularPhase: PhasePrice!
}
type BillingDetail {
  country: String! isBusiness: Boolean! postcode: String state: String businessName: String taxId: String
}
type ProductVersion {
  id: ID! productId: ID! versionNumber: Int! name: String! description: String metadata: String
  billingPeriod: String prices: [CurrencyPrice!]!
}
type OnetimeProduct {
  id: ID! name: String! description: String status: String! metadata: String prices: [CurrencyPrice!]!
  hasProdVersion: Boolean!
}
type SubscriptionProduct {
  id: ID! name: String! description: String status: String! metadata: String billingPeriod: String!
  prices: [CurrencyPrice!]! hasProdVersion: Boolean!
}
type GroupRules { sharedTrial: Boolean! selfServicePlanChange: Boolean! }
type SubscriptionProductGroup {
  id: ID! name: String! description: String rules: GroupRules! environment: String! products: [SubscriptionProduct!]!
}
type Refund {
  id: ID! status: String! reason: String payment: Payment! orderMerchantExternalId: String
  refundTicketMerchantExternalId: String pspAmountDetails: Money createdAt: DateTime!
}
type RequestedAmount { amount: String! currency: String! }
type RefundTicket {
  id: ID! status: String! reason: String payment: Payment! requestedAmountDetails: RequestedAmount
  refundTicketMerchantExternalId: String createdAt: DateTime! updatedAt: DateTime!
}
type Payment {
  id: ID! orderId: ID! status: String! refundStatus: String testMode: Boolean! periodNumber: Int
  orderMerchantExternalId: String failureReason: String amount: Money!
  snapshotAmountDetails: AmountDetails! pspAmountDetails: Money createdAt: DateTime!
  onetimeOrder: OnetimeOrder subscriptionOrder: SubscriptionOrder refunds: [Refund!]!
}
type OnetimeOrder {
  id: ID! storeId: String! store: Store! status: String! currency: String! testMode: Boolean! buyerEmail: String!
  merchantProvidedBuyerIdentity: String orderMerchantExternalId: String metadata: String billingDetail: BillingDetail
  priceSnapshot: AmountDetails! onetimeProduct: OnetimeProduct! productVersion: ProductVersion! payments: [Payment!]!
  createdAt: DateTime! updatedAt: DateTime!
}
type SubscriptionOrder {
  id: ID! storeId: String! store: Store! status: String! currency: String! testMode: Boolean! buyerEmail: String!
  merchantProvidedBuyerIdentity: String orderMerchantExternalId: String metadata: String billingDetail: BillingDetail
  priceSnapshot: SubscriptionPriceSnapshot! subscriptionProduct: SubscriptionProduct! productVersion: ProductVersion!
  payments: [Payment!]! billingPeriod: String! isInTrial: Boolean! willRenew: Boolean!
  currentPeriodStart: DateTime! currentPeriodEnd: DateTime! currentPeriodNumber: Int! canceledAt: DateTime
  changeOriginOrderId: String supersededByOrderId: String createdAt: DateTime! updatedAt: DateTime!
}
type WebhookDelivery {
  id: ID! storeId: String! eventType: String! eventId: String! payload: String! webhookUrl: String! status: String!
  httpStatus: Int responseBody: String attemptCount: Int! lastAttemptedAt: DateTime createdAt: DateTime!
}

type Query {
  stores: [Store!]!
  storesCount: Int!
  store(id: ID!): Store
  onetimeProducts(storeId: String!, filter: ProductFilter, limit: Int, offset: Int): [OnetimeProduct!]!
  onetimeProductsCount(storeId: String!, filter: ProductFilter): Int!
  onetimeProduct(id: ID!): OnetimeProduct
  subscriptionProducts(storeId: String!, filter: ProductFilter, limit: Int, offset: Int): [SubscriptionProduct!]!
  subscriptionProductsCount(storeId: String!, filter: ProductFilter): Int!
  subscriptionProduct(id: ID!): SubscriptionProduct
  subscriptionProductGroups(storeId: String!, limit: Int, offset: Int): [SubscriptionProductGroup!]!
  onetimeOrders(storeId: String!, filter: OnetimeOrderFilter, limit: Int, offset: Int): [OnetimeOrder!]!
  onetimeOrdersCount(storeId: String!, filter: OnetimeOrderFilter): Int!
  onetimeOrder(id: ID!): OnetimeOrder
  subscriptionOrders(storeId: String!, filter: SubscriptionOrderFilter, limit: Int, offset: Int): [SubscriptionOrder!]!
  subscriptionOrdersCount(storeId: String!, filter: SubscriptionOrderFilter): Int!
  subscriptionOrder(id: ID!): SubscriptionOrder
  payments(filter: PaymentFilter, limit: Int, offset: Int): [Payment!]!
  paymentsCount(filter: PaymentFilter): Int!
  payment(id: ID!): Payment
  refunds(filter: RefundFilter, limit: Int, offset: Int): [Refund!]!
  refundsCount(filter: RefundFilter): Int!
  refundTickets(filter: RefundTicketFilter, limit: Int, offset: Int): [RefundTicket!]!
  refundTicketsCount(filter: RefundTicketFilter): Int!
  refundTicket(id: ID!): RefundTicket
  webhookDeliveries(storeId: String!, filter: WebhookDeliveryFilter, limit: Int, offset: Int): [WebhookDelivery!]!
  webhookDeliveriesCount(storeId: String!, filter: WebhookDeliveryFilter): Int!
}
'''
)
