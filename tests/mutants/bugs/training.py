"""Bugs in what is handed out for training and fine-tuning, and in what is asked back."""

from tests.mutants.bugs.bug import bug

POLICY = "tests/unit/test_training_policy.py"
TRAINING = "tests/integration/test_training.py"
TUNING = "tests/integration/test_fine_tuning.py"

BUGS = (
    bug(
        "training needs no consent",
        "policy/access.py",
        "    return None if against is None else AccessReason(against)\n",
        "    return None\n",
        POLICY,
    ),
    bug(
        "training looks at the epoch of today alone",
        "policy/training.py",
        "training_rule(topology, origin, today)",
        "training_rule(topology, today, today)",
        POLICY,
    ),
    bug(
        "stale consent permits training",
        "policy/access.py",
        "    if now >= ground.until:",
        "    if False:",
        POLICY,
    ),
    bug(
        "a permit for training outlives the consent that was read",
        "policy/access.py",
        "        ends.append(ground.until)\n",
        "        pass\n",
        POLICY,
    ),
    bug(
        "what is held is trained on",
        "policy/access.py",
        "    if record.held:",
        "    if False:",
        POLICY,
    ),
    bug(
        "nobody looks for holds before training",
        "training/reading.py",
        "held=record_id.unique in held,",
        "held=False,",
        TRAINING,
    ),
    bug(
        "what is flagged is trained on",
        "policy/access.py",
        "        return AccessReason.FLAGGED",
        "        return None",
        POLICY,
    ),
    bug(
        "a company that the tenant objects to trains",
        "policy/access.py",
        "    if actor.employer in ground.objections:",
        "    if False:",
        POLICY,
    ),
    bug(
        "a record of nobody is trained on where each subject is asked",
        "policy/epochs.py",
        "TrainingReason.NO_SUBJECT: consent.reason is ConsentReason.NO_SUBJECT,",
        "TrainingReason.NO_SUBJECT: False,",
        POLICY,
    ),
    bug(
        "customers train",
        "policy/access.py",
        "    Purpose.TRAIN: frozenset({_MACHINE}),",
        "    Purpose.TRAIN: frozenset({_MACHINE, _CUSTOMER}),",
        POLICY,
    ),
    bug(
        "a page is not decided again",
        "training/reading.py",
        "        return self.region.clock.now() >= one.permitted.permit.until",
        "        return False",
        TRAINING,
    ),
    bug(
        "what was not noted is handed out",
        "training/reading.py",
        "[i for i in ids[number:] if i.unique in decided]",
        "ids[number:]",
        TRAINING,
    ),
    bug(
        "a consent that is given again takes records off the list",
        "policy/training.py",
        "        if x.refuses\n",
        "        if x.refuses and x.recorded == max(y.recorded for y in said)\n",
        POLICY,
    ),
    bug(
        "an erasure does not wait for runs",
        "catalog/erasure_waits.py",
        "~training.is_waited_for(), ",
        "",
        TRAINING,
    ),
    bug(
        "an old list counts as confirmed",
        "catalog/training.py",
        "k.read_id == read, k.listed >= since",
        "k.read_id == read",
        TRAINING,
    ),
    bug(
        "what is withdrawn is not on the list",
        "training/exclusions.py",
        "    if refusal is None:",
        "    if True:",
        TRAINING,
    ),
    bug(
        "a manifest does not say how it ends",
        "evidence/manifests.py",
        "    if count:\n",
        "    if False:\n",
        TRAINING,
    ),
    bug(
        "the lines of a manifest are not compared",
        "evidence/manifests.py",
        "        if (manifest.entries, manifest.records) != (digest.hexdigest(), count):",
        "        if False:",
        TRAINING,
    ),
    bug(
        "a file fine-tunes the model of another",
        "training/tuning.py",
        "    if owner != tenant:",
        "    if False:",
        TUNING,
    ),
    bug(
        "a file fine-tunes a shared model",
        "training/tuning.py",
        "    if owner is None:",
        "    if False:",
        TUNING,
    ),
    bug(
        "fine-tuning is not noted",
        "client/tenant.py",
        "            self._note(record_id, check_tuning(tuning))\n",
        "            check_tuning(tuning)\n",
        TUNING,
    ),
)
