"""Calls a service of people at a door of Janua's by zeep, in both versions of SOAP. Argument: the door's URL."""

import datetime
import sys

import zeep

client = zeep.Client(sys.argv[1] + "?wsdl")
for port in ("P11", "P12"):
    service = client.bind("People", port)
    born = datetime.date(1815, 12, 10)
    who = service.Hire(who={"name": "Ada", "born": born, "child": [{"name": "Ralph", "born": None}]})
    print(who.name, who.born)
    for name in ("Nobody", "\N{SNOWMAN}" * 3):
        try:
            service.Hire(who={"name": name, "born": born})
        except zeep.exceptions.Fault as fault:
            print(fault.code, fault.message)
