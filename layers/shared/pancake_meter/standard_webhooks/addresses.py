"""Which addresses may be called: those of the public internet. A name is looked up, and every address of it is looked at.

Whoever names an endpoint could else have us call what only we can reach: this very function, or a network that it is in.
"""

import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final, TypeVar

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Sequence[str]]
"""Returns the addresses of a host; raises ``OSError`` where there are none."""

_NAT64: Final = IPv6Network("64:ff9b::/96")
_LOW_32_BITS: Final = 0xFFFF_FFFF
_R = TypeVar("_R")


class AddressRefused(Exception):
    """The host has an address that may not be called."""


class HostUnknown(Exception):
    """DNS knows no address of the host, or does not answer."""


def resolved(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a host, as the machine looks them up."""
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def public_address(host: str, port: int, resolve: Resolve = resolved) -> Address:
    """Return the address to call a host at: none but this one, since the name may have another one a moment later.

    Raises:
        AddressRefused: one of its addresses is not public.
        HostUnknown: it has none.
    """
    try:
        found = [ip_address(text.partition("%")[0]) for text in resolve(host, port)]
    except (OSError, UnicodeError, ValueError) as error:
        raise HostUnknown(f"DNS knows no address of {host}") from error
    if not found:
        raise HostUnknown(f"DNS knows no address of {host}")
    if not all(is_public(address) for address in found):
        raise AddressRefused(f"{host} is not on the public internet")
    # A function outside of a network of the seller's reaches no IPv6 address.
    return min(found, key=lambda address: address.version)


def is_public(address: Address) -> bool:
    """Whether an address, and the one that is written into it, is one of the public internet."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = IPv4Address(int(address) & _LOW_32_BITS)
        if inner is not None:
            return is_public(inner)
        if address.teredo is not None or address.is_site_local:
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def in_time(seconds: float, work: Callable[[], _R]) -> _R:
    """Return what ``work`` returns, unless it takes longer: nobody waits for it then.

    A socket's own timeout begins anew with each byte, and looking up a name has none.

    Raises:
        TimeoutError: it took longer.
    """
    pool = ThreadPoolExecutor(1)
    try:
        return pool.submit(work).result(timeout=seconds)
    except NotInTime as error:
        raise TimeoutError from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
