"""A bank that speaks SOAP, by spyne. Says its port when it listens; `?wsdl` is its description."""

import datetime
import decimal
import sys
from wsgiref.simple_server import WSGIRequestHandler, make_server

from spyne import (Application, Array, Boolean, ComplexModel, Date, DateTime, Decimal, Double, Enum, Fault,
                   Integer32, Iterable, ServiceBase, Unicode, UnsignedLong, XmlAttribute, rpc)
from spyne.protocol.soap import Soap11, Soap12
from spyne.server.wsgi import WsgiApplication

NS = "urn:example:bank"
Currency = Enum("EUR", "CHF", type_name="Currency")


class Money(ComplexModel):
    __namespace__ = NS
    amount = Decimal
    currency = XmlAttribute(Currency, use="required")


class Entry(ComplexModel):
    __namespace__ = NS
    id = UnsignedLong
    at = DateTime
    text = Unicode(min_occurs=0, nillable=True)
    money = Money


class Loan(Entry):
    __namespace__ = NS
    rate = Double




class Bank(ServiceBase):
    @rpc(Unicode(min_occurs=1, nillable=False), Date, _returns=Money)
    def balance(ctx, account, on):
        if account == "none":
            raise Fault("Client.NoAccount", "There is no such account")
        if account == "down":
            raise Fault("Server", "The vault is <shut> & locked")
        return Money(amount=decimal.Decimal("1234567890123456.10"), currency="EUR")

    @rpc(Unicode, Array(Entry), _returns=Iterable(Entry))
    def post(ctx, account, entries):
        for entry in entries or []:
            yield entry

    @rpc(Unicode, Integer32, Double, Boolean, Date, Unicode(max_occurs="unbounded"), _returns=Array(Unicode))
    def say(ctx, text, number, ratio, flag, day, more):
        return [repr(text), repr(number), repr(ratio), repr(flag), repr(day), *(repr(one) for one in more or [])]


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


version = {"11": Soap11, "12": Soap12}[sys.argv[1] if len(sys.argv) > 1 else "11"]
app = Application([Bank], NS, name="Bank", in_protocol=version(validator="lxml"), out_protocol=version())
server = make_server("127.0.0.1", 0, WsgiApplication(app), handler_class=Quiet)
print(server.server_port, flush=True)
server.serve_forever()
