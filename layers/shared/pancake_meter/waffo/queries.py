"""Every GraphQL query we send, in one place: field names there can differ from REST's. At most 7 levels deep."""

_ORDER_FIELDS = """
    id storeId testMode status currency buyerEmail orderMerchantExternalId merchantProvidedBuyerIdentity metadata
    billingPeriod currentPeriodStart currentPeriodEnd currentPeriodNumber canceledAt willRenew updatedAt
    changeOriginOrderId supersededByOrderId isInTrial
    subscriptionProduct { id name }
    productVersion { id name metadata }
"""

SUBSCRIPTION_ORDERS = f"""
query SubscriptionOrders($storeId: String!, $statuses: [String!], $limit: Int, $offset: Int) {{
  subscriptionOrders(storeId: $storeId, filter: {{ status: {{ in: $statuses }} }}, limit: $limit, offset: $offset) {{
    {_ORDER_FIELDS}
  }}
  subscriptionOrdersCount(storeId: $storeId, filter: {{ status: {{ in: $statuses }} }})
}}
"""

_LIVE_OF_BUYER = "filter: { merchantProvidedBuyerIdentity: { eq: $buyer }, status: { in: $statuses } }"

BUYERS_SUBSCRIPTION_ORDERS = f"""
query BuyersSubscriptionOrders($storeId: String!, $buyer: String!, $statuses: [String!], $limit: Int) {{
  subscriptionOrders(storeId: $storeId, {_LIVE_OF_BUYER}, limit: $limit) {{
    {_ORDER_FIELDS}
  }}
}}
"""

SUBSCRIPTION_ORDER = f"""
query SubscriptionOrder($id: ID!) {{
  subscriptionOrder(id: $id) {{
    {_ORDER_FIELDS}
  }}
}}
"""

_DELIVERY_FIELDS = "id eventType eventId payload status attemptCount lastAttemptedAt createdAt"
_FAILED = 'filter: { status: { eq: "failed" } }'

FAILED_WEBHOOK_DELIVERIES = f"""
query FailedWebhookDeliveries($storeId: String!, $limit: Int) {{
  webhookDeliveries(storeId: $storeId, limit: $limit, {_FAILED}) {{ {_DELIVERY_FIELDS} }}
  webhookDeliveriesCount(storeId: $storeId, {_FAILED})
}}
"""
"""The first page. ``offset`` is not documented for this list, so the page that is nearly always the only one does
without.
"""

FAILED_WEBHOOK_DELIVERIES_FROM = f"""
query FailedWebhookDeliveriesFrom($storeId: String!, $limit: Int, $offset: Int) {{
  webhookDeliveries(storeId: $storeId, limit: $limit, offset: $offset, {_FAILED}) {{ {_DELIVERY_FIELDS} }}
  webhookDeliveriesCount(storeId: $storeId, {_FAILED})
}}
"""

PAYMENTS_BY_EXTERNAL_ID = """
query PaymentsByExternalId($ref: String!) {
  payments(filter: { orderMerchantExternalId: { eq: $ref } }) {
    id orderId testMode status createdAt orderMerchantExternalId
    snapshotAmountDetails { currency subtotal taxAmount total }
    pspAmountDetails { amount currency }
  }
}
"""

REFUNDS_BY_EXTERNAL_ID = """
query RefundsByExternalId($ref: String!) {
  refundTickets(filter: { refundTicketMerchantExternalId: { eq: $ref } }) { id status }
  refunds(filter: { refundTicketMerchantExternalId: { eq: $ref } }) { id status }
}
"""

PAYMENTS_OF_ORDER = """
query PaymentsOfOrder($id: ID!) {
  subscriptionOrder(id: $id) {
    id payments { id status periodNumber createdAt pspAmountDetails { amount currency } refunds { id } }
  }
}
"""

PAYMENTS_OF_ONE_TIME_ORDER = """
query PaymentsOfOneTimeOrder($id: ID!) {
  onetimeOrder(id: $id) {
    id payments { id status createdAt pspAmountDetails { amount currency } refunds { id } }
  }
}
"""

_PRODUCT_FIELDS = (
    "id name status metadata hasProdVersion prices { currency priceInfo { amount taxCategory trialAmount } }"
)

SUBSCRIPTION_PRODUCTS = f"""query SubscriptionProducts($storeId: String!, $limit: Int, $offset: Int) {{
  subscriptionProducts(storeId: $storeId, limit: $limit, offset: $offset) {{ {_PRODUCT_FIELDS} billingPeriod }}
}}"""

ONETIME_PRODUCTS = f"""query OnetimeProducts($storeId: String!, $limit: Int, $offset: Int) {{
  onetimeProducts(storeId: $storeId, limit: $limit, offset: $offset) {{ {_PRODUCT_FIELDS} }}
}}"""
