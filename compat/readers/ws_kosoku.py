"""Runs the conformance suite kosoku against an echo, and reports each case that it does not accept.

Groups 12 and 13 test compression, which Volga does not negotiate.
"""

import importlib.metadata
import json
import pathlib
import subprocess
import sys
import tempfile

ACCEPTED = {"OK", "NON-STRICT", "INFORMATIONAL"}

url = sys.argv[1]
with tempfile.TemporaryDirectory() as folder:
    program = pathlib.Path(sys.executable).with_name("kosoku")
    command = [program, "-x", "12.*", "-x", "13.*", "-p", "4", "-o", folder, url]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    report = json.loads(pathlib.Path(folder, "index.json").read_text())
cases = {}
for agent in report.values():
    for case, result in agent.items():
        found = {result["behavior"], result["behaviorClose"]}
        cases[case] = "ok" if found <= ACCEPTED else {"error": ", ".join(sorted(found))}
if len(cases) < 300:
    cases["all"] = {"error": f"only {len(cases)} cases ran: {run.stdout[-300:]}"}
print(json.dumps({"version": importlib.metadata.version("kosoku"), "cases": cases}))
