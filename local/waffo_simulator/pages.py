"""The hosted pages, for people: a checkout, a plan change, and what is said when it cannot go on."""

import html
from string import Template

from local.waffo_simulator.model import Session
from local.waffo_simulator.money import display

_PAGE = Template(
    """<!doctype html>
<html lang="en" style="color-scheme: $scheme">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>$title · $store</title>
<style>
:root { --line: light-dark(#d8dce3, #3a414d); --accent: light-dark(#1d4ed8, #93b4ff); }
body { font: 1.0625rem/1.5 system-ui, sans-serif; margin: 0; display: grid; min-height: 100vh; place-items: center;
  background: light-dark(#f4f5f7, #14171c); color: light-dark(#1a1d21, #eceef1); }
main { width: min(26rem, calc(100vw - 4rem)); padding: 2rem; border: 1px solid var(--line); border-radius: 12px;
  background: light-dark(#fff, #1d2128); }
h1 { font-size: 1.375rem; margin: 0 0 1rem; }
dl { display: grid; grid-template-columns: 1fr auto; gap: .5rem 1rem; margin: 0 0 1.5rem; }
dd { margin: 0; text-align: end; font-variant-numeric: tabular-nums; }
.total { font-weight: 600; border-top: 1px solid var(--line); padding-top: .5rem; }
label { display: block; margin-bottom: .25rem; }
input { box-sizing: border-box; width: 100%; padding: .625rem; margin-bottom: 1.25rem; font: inherit; color: inherit;
  background: transparent; border: 1px solid var(--line); border-radius: 8px; }
button { width: 100%; padding: .75rem; font: inherit; font-weight: 600; border: 0; border-radius: 8px; cursor: pointer;
  background: var(--accent); color: light-dark(#fff, #10131a); }
a { color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.note { margin: 1.5rem 0 0; font-size: .875rem; opacity: .75; }
</style>
</head>
<body><main><h1>$title</h1>
$content
<p class="note">$store, sold by a local stand-in for Waffo Pancake ($mode). No money moves.</p>
</main></body></html>
"""
)

_FORM = Template(
    """<dl>
<dt>$product</dt><dd>$subtotal</dd>
<dt>Tax</dt><dd>$tax</dd>
<dt class="total">Total</dt><dd class="total">$total</dd>
</dl>
<form method="post">
$email
<input type="hidden" name="token" value="">
$again
<button type="submit">$verb $total</button>
</form>
<script>
const token = new URLSearchParams(location.hash.slice(1)).get("token");
if (token) document.querySelector("[name=token]").value = token;
// A redirect keeps the fragment: the shop must not get the token.
history.replaceState(null, "", location.pathname + location.search);
</script>"""
)

_EMAIL = Template(
    """<label for="email">Email for the receipt</label>
<input id="email" name="email" type="email" autocomplete="email" required value="$email">"""
)


def checkout_page(session: Session, store: str, mode: str, *, again: bool) -> str:
    """The page with the Pay button. `again`: pay a session a second time."""
    price = session.price
    subtotal, tax, total = (
        f"{price.currency} {display(amount, price.currency)}" for amount in (price.subtotal, price.tax, price.total)
    )
    # The one who changes a plan is known from the subscription.
    email = "" if session.plan_change else _EMAIL.substitute(email=html.escape(session.buyer_email or ""))
    content = _FORM.substitute(
        product=html.escape(session.product.name),
        subtotal=subtotal,
        tax=tax,
        total=total,
        email=email,
        again='<input type="hidden" name="again" value="1">' if again else "",
        verb="Confirm" if session.plan_change else "Pay",
    )
    title = "Change your plan" if session.plan_change else "Checkout"
    return _page(title, content, store, mode, session.dark_mode)


def message_page(title: str, text: str, store: str, mode: str, link: str | None = None) -> str:
    """A page that says one thing, perhaps with a way back to the shop."""
    back = f'<p><a href="{html.escape(link)}">Back to the shop</a></p>' if link else ""
    return _page(title, f"<p>{html.escape(text)}</p>{back}", store, mode, None)


def _page(title: str, content: str, store: str, mode: str, dark_mode: bool | None) -> str:  # noqa: FBT001
    scheme = {True: "dark", False: "light", None: "light dark"}[dark_mode]
    return _PAGE.substitute(title=title, content=content, store=html.escape(store), mode=mode, scheme=scheme)
