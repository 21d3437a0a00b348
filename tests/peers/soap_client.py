"""Calls the bank of soap_server.py by zeep: prints as JSON what it answers. Arguments: the WSDL's URL."""

import json
import sys

import zeep
from zeep.helpers import serialize_object

client = zeep.Client(sys.argv[1])
said = client.service.say(text="a<b> & \"ü\"", number=-7, ratio=0.1, flag=True, day="2026-11-29", more=["x", ""])
balance = client.service.balance(account="1")
print(json.dumps({"say": serialize_object(said), "balance": serialize_object(balance)}, default=str))
