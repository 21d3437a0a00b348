"""Calls a bank at a door of Janua's by zeep, which reads the door's description first. Argument: the door's URL."""

import sys

import zeep

client = zeep.Client(sys.argv[1] + "?wsdl")
answer = client.service.GetBalance(account="CH000001", on="2026-11-29")
print(answer.balance._value_1, answer.balance.currency, answer.overdrawn)
print(client.service.Transfer(**{"from": "CH000001", "to": "CH000002", "amount": {"_value_1": "1.10", "currency": "CHF"}}))
try:
    client.service.GetBalance(account="CH999999")
except zeep.exceptions.Fault as fault:
    print(fault.code, fault.message)
