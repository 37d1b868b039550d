"""Headers of pages: what a browser may load, who may frame the page, and that nobody stores it."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from pancake_meter.catalog.brand import Brand
from pancake_meter.value import Value


class PageHeaders(Value):
    """Headers of one kind of page. ``leads_to_payment``: a form of it ends at Waffo; ``may_be_framed``: by the seller."""

    leads_to_payment: bool = False
    may_be_framed: bool = False

    def of(self, brand: Brand, *, frame_origins: Sequence[str], is_local: bool) -> Mapping[str, str]:
        """Return the headers; the local stack is plain http, and so is its Waffo."""
        logo = urlsplit(brand.logo_url) if brand.logo_url else None
        images = "'self'" + (f" {logo.scheme}://{logo.netloc}" if logo else "")
        # A browser holds the redirect that answers a form to this too, and Waffo says only then where its page is.
        forms = "'self'" + (f" https:{' http:' if is_local else ''}" if self.leads_to_payment else "")
        frames = " ".join(("'self'", *frame_origins)) if self.may_be_framed and frame_origins else "'none'"
        policy = (
            "default-src 'none'",
            "style-src 'self'",
            "script-src 'self'",
            "connect-src 'self'",
            f"img-src {images}",
            f"form-action {forms}",
            f"frame-ancestors {frames}",
            "base-uri 'none'",
        )
        sent = {
            # A link is a key to a customer's payment, a page shows what is theirs: nobody stores it or passes it on.
            "Cache-Control": "no-store",
            "Content-Security-Policy": "; ".join(policy),
            "Cross-Origin-Opener-Policy": "same-origin",
            "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
            "Referrer-Policy": "no-referrer",
            "Strict-Transport-Security": "max-age=31536000",
            "X-Content-Type-Options": "nosniff",
            "X-Robots-Tag": "noindex",
        }
        # For browsers that do not know frame-ancestors.
        return sent if frames != "'none'" else {**sent, "X-Frame-Options": "DENY"}
