"""Answers as rpm's own library does, a line for each line of questions.

order<TAB>EVR<TAB>EVR                          <, = or >
overlap<TAB>SIGN<TAB>EVR<TAB>SIGN<TAB>EVR      yes or no
"""
import sys

import rpm

SENSES = {
    "<": rpm.RPMSENSE_LESS,
    "<=": rpm.RPMSENSE_LESS | rpm.RPMSENSE_EQUAL,
    "=": rpm.RPMSENSE_EQUAL,
    ">=": rpm.RPMSENSE_GREATER | rpm.RPMSENSE_EQUAL,
    ">": rpm.RPMSENSE_GREATER,
}


def order(one, other):
    one, other = rpm.ver(one), rpm.ver(other)
    return "<" if one < other else ">" if one > other else "="


def overlap(sign, evr, other_sign, other_evr):
    provided = rpm.ds(("name", SENSES[sign], evr), rpm.RPMTAG_PROVIDENAME)
    required = rpm.ds(("name", SENSES[other_sign], other_evr), rpm.RPMTAG_REQUIRENAME)
    return "yes" if provided.Compare(required) else "no"


for line in sys.stdin:
    question, *words = line.rstrip("\n").split("\t")
    print({"order": order, "overlap": overlap}[question](*words))
