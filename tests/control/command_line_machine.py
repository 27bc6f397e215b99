"""Of test_control.py's command line: what it tells of the machine and of the serving threads."""
import json
import os
import subprocess

from harness import BUILD, check, wait_until


def doctor(harness, instance, millrace):
    """What the doctor finds on made-up machines: tests/control/test_doctor.c; here, how it tells it."""
    config, root = instance.folder + "/millrace.yaml", harness.folder + "/elsewhere"
    os.makedirs(root + "/proc/sys/kernel")
    millrace("doctor", "--config", config, "--root", root)  # nothing is to be seen there, so nothing is wrong
    with open(root + "/proc/sys/kernel/osrelease", "w") as f:
        f.write("5.4.0\n")
    out, _ = millrace("doctor", "--config", config, "--root", root, code=1)
    check("wrong   kernel           Linux 5.4.0" in out and "mend: a newer kernel" in out and "1 wrong" in out, out)
    told = json.loads(millrace("--json", "doctor", "--config", config, "--root", root, code=1)[0])
    kernel = next(f for f in told["findings"] if f["check"] == "kernel")
    check(told["verdict"] == kernel["verdict"] == "wrong" and "linux-image" in kernel["mend"], f"{told}")
    code = subprocess.run([BUILD + "/cli/millrace", "doctor", "--config", config], capture_output=True).returncode
    check(code in (0, 1), f"on this machine: {code}")  # whatever it is like
    _, err = millrace("doctor", "--config", root + "/none.yaml", code=1)
    check("none.yaml" in err, err)


def dataplane(instance, millrace):
    """Consumers have read by the kernel's port."""
    def told():
        return json.loads(millrace("--json", "dataplane", "status")[0])
    wait_until(lambda: told()["lcores"][0]["ports"]["kernel"]["sent_copied_bytes"] > 500, 20, lambda: str(told()))
    status = told()
    lcore = status["lcores"][0]
    check(status["device"] is None and len(status["lcores"]) == 1 and list(lcore["ports"]) == ["kernel"], f"{status}")
    check(lcore["busy_ns"] > 0 and lcore["idle_ns"] > lcore["busy_ns"] and "packets_sent" not in
          lcore["ports"]["kernel"] and lcore["ports"]["kernel"]["connections_accepted"] >= 2, f"{status}")
    out, _ = millrace("dataplane", "status")
    check("lcore 0: " in out and "% idle" in out and "kernel " in out and "device" not in out, out)
    text = instance.rest("GET", "/metrics")[1]
    check('millrace_sent_copied_bytes{lcore="0",port="kernel"}' in text and "device_link" not in text, text[:2000])
