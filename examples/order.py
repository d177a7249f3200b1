"""Take an order: charge, reserve, ship. What fails takes back what was done before.

    charge ──> reserve ──> ship ──> confirm
      │           │          └────> alarm     if one of them has failed
    refund <── release                        in reverse order of what was done

Nobody goes to Atlantis. So `ship` fails, the reservation is released, the money is paid
back, and customer and shop have what they had before. The carrier to anywhere else is
reached at the second attempt, which is no failure.

    python examples/order.py --to Atlantis
    python examples/order.py --to Oslo --quantity 2

What happened is told by the tasks in `Context.shared`, a mapping that the caller gives
and reads. It is there also if the run raises.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

from syncra import Context, Graph, Retry


class PaymentRefused(Exception):
    """There is not enough money."""


class OutOfStock(Exception):
    """There are not enough items."""


class NoCarrier(Exception):
    """Nobody goes there."""


@dataclass
class Shop:
    """What the shop and the accounts of its customers have, all in memory."""

    prices: dict[str, int] = field(default_factory=lambda: {"tea": 4, "rye": 2})
    stock: dict[str, int] = field(default_factory=lambda: {"tea": 5, "rye": 100})
    accounts: dict[str, int] = field(default_factory=lambda: {"Ada": 50})
    income: int = 0
    calls: int = 0  # to carriers
    numbers: "count[int]" = field(default_factory=lambda: count(1))

    def __str__(self) -> str:
        return f"accounts {self.accounts}, income {self.income}, stock {self.stock}"


@dataclass(frozen=True)
class Order:
    """Who wants how much of what, and where."""

    customer: str
    item: str
    quantity: int
    to: str


@dataclass(frozen=True)
class Payment:
    """Money that was taken."""

    number: int
    customer: str
    amount: int


@dataclass(frozen=True)
class Reservation:
    """Items that were set aside."""

    number: int
    item: str
    quantity: int


graph = Graph("order", on_error="rollback")


@graph.task
def charge(order: Order, context: Context) -> Payment:
    """Take the money."""
    shop = shop_of(context)
    amount = shop.prices[order.item] * order.quantity
    if shop.accounts[order.customer] < amount:
        raise PaymentRefused(f"{order.customer} does not have {amount}")

    shop.accounts[order.customer] -= amount
    shop.income += amount
    payment = Payment(next(shop.numbers), order.customer, amount)
    tell(context, f"charged {amount} to {order.customer}: payment {payment.number}")
    return payment


@charge.rollback
def refund(payment: Payment, context: Context) -> None:
    """Pay it back."""
    shop = shop_of(context)
    shop.income -= payment.amount
    shop.accounts[payment.customer] += payment.amount
    tell(context, f"refunded payment {payment.number}")


@graph.task(after=charge)
def reserve(order: Order, context: Context) -> Reservation:
    """Set the items aside."""
    shop = shop_of(context)
    if shop.stock[order.item] < order.quantity:
        raise OutOfStock(f"there are {shop.stock[order.item]} {order.item}")

    shop.stock[order.item] -= order.quantity
    reservation = Reservation(next(shop.numbers), order.item, order.quantity)
    tell(
        context,
        f"reserved {order.quantity} {order.item}: reservation {reservation.number}",
    )
    return reservation


@reserve.rollback
def release(reservation: Reservation, context: Context) -> None:
    """Put them back."""
    shop_of(context).stock[reservation.item] += reservation.quantity
    tell(context, f"released reservation {reservation.number}")


@graph.task(
    dependencies=reserve,
    retry=Retry(3, on=ConnectionError, backoff=0.05),
    timeout=10,
)
async def ship(reservation: Reservation, order: Order, context: Context) -> str:
    """Give them to a carrier."""
    shop_of(context).calls += 1
    if context.attempt == 1:
        tell(context, "the line to the carrier is busy")
        raise ConnectionError("the line is busy")

    if order.to == "Atlantis":
        raise NoCarrier(f"nobody goes to {order.to}")

    tell(context, f"shipped reservation {reservation.number} to {order.to}")
    return f"parcel {reservation.number}"


@graph.task(dependencies=[charge, ship])
def confirm(charge: Payment, ship: str, order: Order) -> str:
    """Write to the customer."""
    return (
        f"Dear {order.customer}, {ship} is on its way. You have paid {charge.amount}."
    )


@graph.task(after=[charge, reserve, ship], trigger="any_failed")
def alarm(context: Context) -> None:
    """Tell the staff, before anything is taken back."""
    for name, error in context.errors.items():
        tell(context, f"failed: {name}, {error}")


def shop_of(context: Context) -> Shop:
    """Return the shop that the caller has given, or one for this run."""
    shop: Shop = context.shared.setdefault("shop", Shop())
    return shop


def tell(context: Context, text: str) -> None:
    """Add a line to the story of the run."""
    context.shared.setdefault("story", []).append(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Take an order and tell what happened; return the exit code."""
    parser = argparse.ArgumentParser(description="Take an order, or take it back.")
    parser.add_argument("--item", choices=Shop().prices, default="tea")
    parser.add_argument("--quantity", type=int, default=3, metavar="N")
    parser.add_argument("--to", default="Atlantis", metavar="CITY")
    options = parser.parse_args(arguments)
    if options.quantity < 1:
        parser.error(f"argument --quantity: {options.quantity} is not positive")

    order = Order("Ada", options.item, options.quantity, options.to)
    shop, story = Shop(), list[str]()
    print(f"before: {shop}\n")
    run = graph.start({"order": order}, shared={"shop": shop, "story": story})
    run.wait()
    print(*story, sep="\n")
    print(f"\nafter: {shop}\n")
    for name, record in run.records.items():
        undone = ", undone" if name in run.rollbacks else ""
        print(f"{name:8} {record.state}{undone}")
    if run.ok:
        print(f"\n{run[confirm]}")
    return 0 if run.ok else 1


if __name__ == "__main__":
    sys.exit(main())
