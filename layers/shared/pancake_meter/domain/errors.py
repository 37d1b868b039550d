"""Errors of the domain: the caller's fault, each with a stable code. ``http/problem.py`` gives every code its status.

::

    DomainError                    (more of them stand beside what they are about: InvalidPrice, UnknownCurrency, ...)
    ├── InvalidQuantity, InvalidCustomerId, InvalidHoldId, InvalidEventId, EventTimeOutOfRange,
    │   InvalidGift, InvalidReason                                           malformed content
    ├── UnknownMeter, UnknownPlan, HoldNotFound, CheckoutNotFound,
    │   GrantNotFound, PaymentNotFound, OrderNotFound                        not there
    ├── NothingOwed, NotForSale, BelowMinimum, SuccessUrlNotAllowed          nothing that could be sold
    ├── AlreadySubscribed, PlanNotChangeable                                 the customer has a subscription
    ├── CustomerBlocked                                                      what is sold could not be used
    ├── HoldConflict, EventConflict, ForgivenessConflict, GiftConflict       the id belongs to something else
    ├── GrantNotVoidable                                                     not the operator's to take back
    ├── PaymentNotFlagged, CheckoutOfNoUnits, ResolutionConflict             what a payment is for is decided
    ├── RefundConflict, RefundTooLarge, TooManyRefunds, PaymentNotRefundable,
    │   RefundRefused, WrongOrderStatus                                      Waffo is not asked for it, or says no
    └── TooManyEvents, TooManyGrants, TooManyLines, TooManyOrders,
        OrderTooLarge, SubscriptionTooLarge, ReportTooLarge                  a bound was reached
"""

from typing import ClassVar


class DomainError(Exception):
    """A request that cannot be granted as it stands. ``details`` are facts for the caller, safe to show."""

    code: ClassVar[str] = "invalid_request"

    def __init__(self, message: str, **details: object) -> None:
        """Keep the message for people and the details for programs."""
        super().__init__(message)
        self.details = details


class InvalidCustomerId(DomainError):
    """The customer id has a wrong form."""

    code = "invalid_customer_id"


class InvalidHoldId(DomainError):
    """The hold id has a wrong form."""

    code = "invalid_hold_id"


class InvalidEventId(DomainError):
    """The event id has a wrong form."""

    code = "invalid_event_id"


class EventTimeOutOfRange(DomainError):
    """The event's own time is too far ahead, or older than ids are remembered."""

    code = "event_time_out_of_range"


class UnknownMeter(DomainError):
    """The catalog has no such meter."""

    code = "unknown_meter"


class HoldNotFound(DomainError):
    """No live hold has that id."""

    code = "hold_not_found"


class HoldConflict(DomainError):
    """The hold id is in use for another quantity."""

    code = "hold_conflict"


class EventConflict(DomainError):
    """The event id was used for other usage."""

    code = "event_conflict"


class CannotMeasure(DomainError):
    """An event does not tell what its meter counts."""

    code = "cannot_measure"


class UnreadableUsage(DomainError):
    """What was sent as usage lacks what makes it one."""

    code = "unreadable_usage"


class TooManyEvents(DomainError):
    """One request has more events than may come at once; nothing was counted."""

    code = "too_many_events"


class UnknownUsageCustomer(DomainError):
    """Usage does not say whose it is, or not in a way that is trusted."""

    code = "customer_unknown"


class UnknownEventType(DomainError):
    """No meter is fed by events of this type."""

    code = "unknown_event_type"


class UnknownParkedUsage(DomainError):
    """No usage is parked under that id."""

    code = "parked_usage_not_found"


class PeriodClosed(DomainError):
    """The event tells of a period that closed too long ago; nothing was counted."""

    code = "period_closed"


class ForgivenessConflict(DomainError):
    """The id of a forgiveness was used for another quantity."""

    code = "forgiveness_conflict"


class InvalidGift(DomainError):
    """Units that the operator gives are none, or end before they start."""

    code = "invalid_gift"


class GiftConflict(DomainError):
    """The id of a gift was used to give other units."""

    code = "gift_conflict"


class GrantNotFound(DomainError):
    """The customer has no such grant."""

    code = "grant_not_found"


class GrantNotVoidable(DomainError):
    """A plan, an add-on or a payment gave the units: the operator has not given them, and cannot take them back."""

    code = "grant_not_voidable"


class InvalidReason(DomainError):
    """A reason that people read is empty or too long."""

    code = "invalid_reason"


class TooManyGrants(DomainError):
    """The balance carries as many grants as it can."""

    code = "too_many_grants"


class TooManyOrders(DomainError):
    """More orders of a customer stand than can be remembered, or as many as are sold."""

    code = "too_many_orders"


class TooManyLines(DomainError):
    """The balance has more overage lines than are looked through."""

    code = "too_many_lines"


class SubscriptionTooLarge(DomainError):
    """A customer's orders and plans are more than one item holds."""

    code = "subscription_too_large"


class OrderTooLarge(DomainError):
    """An order has more payments or deliveries than are looked through: what was not seen might decide."""

    code = "order_too_large"


class UnknownPlan(DomainError):
    """The catalog has no such plan."""

    code = "unknown_plan"


class NothingOwed(DomainError):
    """There is no overage to pay."""

    code = "nothing_owed"


class NotForSale(DomainError):
    """The catalog has no price or product for it."""

    code = "not_for_sale"


class HighestPlan(NotForSale):
    """No plan up for sale grants more of the meter."""


class AlreadySubscribed(DomainError):
    """The customer has a live subscription: a second one is not sold, nor the plan that the customer has."""

    code = "already_subscribed"


class PlanNotChangeable(DomainError):
    """Waffo does not change the plan of the subscription as it stands: it is overdue, or was cancelled."""

    code = "plan_not_changeable"


class CustomerBlocked(DomainError):
    """The operator has cut off all that the sale would give: money is not taken for units that cannot be used."""

    code = "customer_blocked"


class BelowMinimum(DomainError):
    """The amount is below the least that is charged; it stays owed."""

    code = "below_minimum"


class SuccessUrlNotAllowed(DomainError):
    """The success URL is not on the catalog's list."""

    code = "success_url_not_allowed"


class CheckoutNotFound(DomainError):
    """The customer has no such checkout."""

    code = "checkout_not_found"


class CheckoutOfNoUnits(DomainError):
    """The checkout sells a plan, which its own webhooks bring into force: no payment can be credited to it."""

    code = "checkout_of_no_units"


class PaymentNotFound(DomainError):
    """No payment has that id."""

    code = "payment_not_found"


class PaymentNotFlagged(DomainError):
    """The payment did what it was for, or somebody has decided what it is for already."""

    code = "payment_not_flagged"


class ResolutionConflict(DomainError):
    """The id of a resolution was used for another decision on the payment."""

    code = "resolution_conflict"


class RefundConflict(DomainError):
    """The id of a refund was used for another amount."""

    code = "refund_conflict"


class RefundTooLarge(DomainError):
    """More is to be refunded than is left of the payment."""

    code = "refund_too_large"


class TooManyRefunds(DomainError):
    """More refunds of one payment were asked for than can be kept."""

    code = "too_many_refunds"


class PaymentNotRefundable(DomainError):
    """Nobody knows how much the payment was, or Waffo does not know it by that id."""

    code = "payment_not_refundable"


class RefundRefused(DomainError):
    """Waffo refused to refund the payment."""

    code = "refund_refused"


class OrderNotFound(DomainError):
    """The customer has no such subscription order."""

    code = "order_not_found"


class WrongOrderStatus(DomainError):
    """The subscription cannot be cancelled or reactivated as it stands."""

    code = "wrong_order_status"


class DeliveryNotFound(DomainError):
    """No delivery has that id."""

    code = "delivery_not_found"


class AlertNotFound(DomainError):
    """No alert has that id."""

    code = "alert_not_found"


class DeliveryOfAnotherCustomer(DomainError):
    """The delivery is done already, and not for the customer it is assigned to."""

    code = "delivery_of_another_customer"


class DeliveryNotOpen(DomainError):
    """The delivery is applied or ignored: there is nothing to dismiss."""

    code = "delivery_not_open"


class CustomerNotFound(DomainError):
    """Nothing is kept of the customer."""

    code = "customer_not_found"


class CustomerErased(DomainError):
    """The customer was erased: nothing new is kept under the id."""

    code = "customer_erased"


class DeliveryBodyRemoved(DomainError):
    """The delivery's body is gone, because of its age or because its customer was erased: it cannot be judged again."""

    code = "delivery_body_removed"


class ReportTooLarge(DomainError):
    """The report covers more than one answer can add up."""

    code = "report_too_large"
