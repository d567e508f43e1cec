# SPDX-License-Identifier: GPL-2.0
"""What was measured, kept in one file: parts that run one by one, or for one balancer, add up to one result.

The file has a section for each part, by balancer where a part measures each by itself, and "parts", which says of each
what was measured (kernel, commit, build) and how many seconds that took. What another build measured is not mixed
with what this one does: it goes when a part begins to measure the same balancer anew.
"""

import json

# Sections by balancer, and the part that fills them.
BY_BALANCER = {
    "count": "instructions",
    "scale": "scale",
    "schedulers": "schedulers",
    "persistence": "persistence",
    "administration": "administration",
    "large": "large",
    "background": "background",
    "sharing": "sharing",
    "scrape": "scrape",
}


def origin(name, about):
    """What the numbers of a balancer depend on."""
    names = ["kernel"] + (["commit", "rust"] if name.startswith("rust") else [])
    return {key: about[key] for key in names if key in about}


class Results:
    """The contents of the file; what it had from before is there from the beginning."""

    def __init__(self, path, about):
        self.path, self.about = path, about
        self.found = {"parts": {}}
        if path.exists():
            before = json.loads(path.read_text())
            if "parts" in before:
                self.found = before

    def section(self, name):
        return self.found.setdefault(name, {})

    def merge(self, part, found):
        """Takes over what a part measured, by balancer."""
        section = self.section(BY_BALANCER[part])
        whose = self.found["parts"].setdefault(part, {}).setdefault("of", {})
        for name, values in found.items():
            same = whose.get(name) == origin(name, self.about)
            section[name] = {**section.get(name, {}), **values} if same else values
            whose[name] = origin(name, self.about)

    def replace(self, name, part, found):
        """Takes over what a part measured of several balancers in turn."""
        self.found[name] = found
        self.found["parts"].setdefault(part, {})["about"] = self.about

    def took(self, part, seconds):
        self.found["parts"].setdefault(part, {})["seconds"] = round(seconds)

    def seconds(self):
        """By part, how long it took when it ran last."""
        return {
            part: facts["seconds"]
            for part, facts in self.found["parts"].items()
            if "seconds" in facts
        }

    def builds(self):
        """The different states of ours that the numbers are from."""
        every = [facts.get("of", {}).get("rust") for facts in self.found["parts"].values()]
        return {(one["commit"], one["rust"]) for one in every if one}

    def write(self):
        self.path.write_text(json.dumps(self.found, indent=1) + "\n")
