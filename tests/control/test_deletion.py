#!/usr/bin/env python3
"""Goal: a deletion that was accepted ends in deletion.  Held up by a folder in the way of its parts it meets restarts
and kill -9 there, and kill -9 in the middle of all; meanwhile the channel shows as Deleting with the cause, takes no
change, is not served and never comes alive again, and its name is free when, and only when, nothing is left.
"""
import json
import os
import shutil
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "e2e"))
from asking import kcat, refused  # noqa: E402
from harness import check, main, text_of, wait_until  # noqa: E402

PATH = "/v1/channels/events"


def made(instance, source, stopped):
    """A channel with records in its log and a group with an account."""
    instance.create_channel("events", source, ["shop.*"])
    instance.start_channel("events")
    source.sql("INSERT INTO shop.events VALUES ();")
    wait_until(lambda: instance.status("events")["log"]["records"] > 1, 20, lambda: f"{instance.status('events')}")
    instance.ask("POST", PATH + "/groups", {"group": "g", "account": "ann", "password": "s3cret-one"})
    if stopped:
        instance.ask("POST", PATH + "/stop")


def is_gone(instance):
    """By itself, whole; its files too."""
    status, answer = instance.rest("GET", PATH)
    if status != 404:
        check(answer["state"] == "Deleting", f"it lives again: {answer}")
        return False
    data = instance.settings["data_folder"]
    left = [name for name in os.listdir(data) + os.listdir(data + "/channels") if name.startswith("events")]
    check(left == [], f"{left} is left of a channel that is gone")
    with open(data + "/accounts.json") as f:
        check("ann" not in f.read(), "its group's account is left")
    return True


def is_held_up(instance, cause):
    status = instance.status("events")
    check(status["state"] == "Deleting" and status["operations"] == ["delete"], f"{status}")
    check(status["log"] is None and "events" not in kcat_topics(instance), f"it is served on: {status}")
    error = status["error"]
    return error is not None and cause in error["text"] and error["next_attempt_in_ms"] >= 0


def kcat_topics(instance):
    done = subprocess.run(["kcat", "-b", instance.bootstrap, "-L", "-q"], capture_output=True, text=True, timeout=60)
    check(done.returncode == 0, f"kcat: {done.stderr}")
    return done.stdout


def asked_again(instance):
    """It is noted already: that its file cannot be written does not matter."""
    in_the_way = instance.settings["data_folder"] + "/channels/events.json.new"
    os.mkdir(in_the_way)
    status, answer = instance.rest("DELETE", PATH)
    check(status == 202 and answer["state"] == "Deleting", f"{status} {answer}")
    os.rmdir(in_the_way)


def held_up(instance, source, block, where, cause, stopped):
    """`block`: makes something stand in the way, and returns what takes it away."""
    made(instance, source, stopped)
    check(len(kcat(instance, "events")) > 1 and "events" in kcat_topics(instance), "the topic is not served")
    unblock = block(instance.settings["data_folder"])
    status, answer = instance.rest("DELETE", PATH)
    check(status == 202 and answer["state"] == "Deleting", f"{where}: {status} {answer}")
    for act in (lambda: None, lambda: (instance.stop(), instance.start()), lambda: (instance.kill(), instance.start()),
                lambda: asked_again(instance)):
        act()
        wait_until(lambda: is_held_up(instance, cause), 20, lambda: f"{where}: {instance.status('events')}")
    for method, path, body in (("POST", "/start", None), ("POST", "/stop", None), ("POST", "/resume", None),
                               ("PATCH", "", {"compression": "zstd"}), ("PUT", "/objects", {"include": ["a.*"]}),
                               ("POST", "/groups", {"group": "h", "account": "eve", "password": "s3cret-two"}),
                               ("PUT", "/alerts", {"rules": []})):
        refused(instance, 409, "is being deleted", method, PATH + path, body)
    refused(instance, 409, "still being deleted", "POST", "/v1/channels",
            {"name": "events", "source": {"host": "h", "port": 1, "user": "u", "password": "p"},
             "tables": {"include": ["a.*"]}})
    unblock()
    wait_until(lambda: is_gone(instance), 20, lambda: f"{where}: {instance.status('events')}")


def in_folder_of_log(data):
    """Below what a log has: found when its folder has its new name already."""
    os.makedirs(data + "/events/0/deep/er")
    return lambda: (os.rmdir(data + "/events~deleted/0/deep/er"), os.rmdir(data + "/events~deleted/0/deep"))


def in_place_of_accounts(data):
    os.mkdir(data + "/accounts.json.new")
    return lambda: os.rmdir(data + "/accounts.json.new")


def edit(instance, **changes):
    """Of the channel's file, while millraced is down; returns what stood there."""
    path = instance.settings["data_folder"] + "/channels/events.json"
    with open(path) as f:
        before = json.load(f)
    with open(path, "w") as f:
        json.dump({**before, **changes}, f)
    return before


def not_noted(instance, source):
    """A log that was made, but whose opening failed or was cut off before the channel's file said so, goes too; a
    folder of that name which is another's does not."""
    folder = instance.settings["data_folder"] + "/events"
    for another in False, True:
        made(instance, source, True)
        check(instance.stop() == 0, "no orderly stop")
        before = edit(instance, has_log=False)
        if another:
            edit(instance, topic_id=before["topic_id"][::-1])
        instance.start()
        check(instance.rest("DELETE", PATH)[0] == 204, f"not deleted: {instance.rest('GET', PATH)}")
        check(os.path.exists(folder) == another, f"another's: {another}, there: {os.path.exists(folder)}")
    shutil.rmtree(folder)


def noted_late(instance, source):
    """Nothing is captured before the channel's file says that there is a log; the next attempts note it."""
    data = instance.settings["data_folder"]
    for made_before in False, True:
        made(instance, source, True)
        check(instance.stop() == 0, "no orderly stop")
        edit(instance, has_log=False, is_started=True)
        if not made_before:
            shutil.rmtree(data + "/events")
        os.mkdir(data + "/channels/events.json.new")
        instance.start()
        for act in (lambda: None, lambda: instance.ask("POST", PATH + "/resume")):  # its first attempt, and another
            act()
            wait_until(lambda: "events.json.new" in ((instance.status("events")["error"] or {}).get("text", "")), 20,
                       lambda: f"{instance.status('events')}")
        os.rmdir(data + "/channels/events.json.new")
        wait_until(lambda: instance.status("events")["state"] == "Normal", 20, lambda: f"{instance.status('events')}")
        check(instance.stop() == 0, "no orderly stop")
        check(edit(instance)["has_log"], f"made before: {made_before}: captured, and no log is noted")
        instance.start()
        instance.ask("DELETE", PATH)
        wait_until(lambda: is_gone(instance), 20, lambda: f"{instance.rest('GET', PATH)}")


def killed_meanwhile(harness, instance, source):
    """kill -9 once the deletion is noted: it is ended, whatever was done of it and whether or not it was answered.
    Once more at any moment: what was answered is done, else the channel is as it was or gone."""
    for turn in range(4):
        made(instance, source, True)
        asking = threading.Thread(target=ask, args=(instance, answers := []))
        asking.start()
        if turn < 3:
            wait_for_note(instance, answers)
        else:
            time.sleep(harness.random.uniform(0, 0.02))
        instance.kill()
        asking.join()
        note = channel_file(instance)
        is_noted = "is_deleting" in note
        print(f"turn {turn}: killed {'behind' if answers else 'within' if is_noted or note == '' else 'before'} it")
        instance.start()
        if not answers and not is_noted and note != "":
            status = instance.status("events")
            check(status["state"] == "Not Started" and len(kcat(instance, "events")) > 1, f"half of it: {status}")
            instance.rest("DELETE", PATH)
        wait_until(lambda: is_gone(instance), 20, lambda: f"{answers}: {instance.status('events')}")


def ask(instance, answers):
    try:
        answers.append(instance.rest("DELETE", PATH)[0])
    except OSError:
        pass


def channel_file(instance):
    return text_of(instance.settings["data_folder"] + "/channels/events.json")


def wait_for_note(instance, answers):
    """Without a pause: it does not take long."""
    while not answers and "is_deleting" not in channel_file(instance) != "":
        pass


def deletion(harness):
    source = harness.source()
    source.sql("CREATE DATABASE shop; CREATE TABLE shop.events (id INT AUTO_INCREMENT PRIMARY KEY);")
    instance = harness.millraced()
    instance.start()
    held_up(instance, source, in_folder_of_log, "at its log", "is not one of ours", stopped=True)
    held_up(instance, source, in_place_of_accounts, "at its accounts", "accounts.json.new", stopped=False)
    not_noted(instance, source)
    noted_late(instance, source)
    killed_meanwhile(harness, instance, source)


if __name__ == "__main__":
    sys.exit(main(deletion))
