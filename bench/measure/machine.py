"""bench/measure/machine.py -- what it was measured on: hardware, kernel, compiler, our commit."""
import os
import platform
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))


def said(*command):
    """The first line that a command says; None when it cannot be run or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip().split("\n")[0] if done.returncode == 0 else None


def field_of(path, name):
    try:
        with open(path) as f:
            return next((line.split(":", 1)[1].strip() for line in f if line.split(":")[0].strip() == name), None)
    except OSError:
        return None


def text_of_file(path):
    try:
        with open(path) as f:
            return f.read().strip()
    except OSError:
        return None


def disk_of(folder):
    """File system and device of a folder, as findmnt says it."""
    return said("findmnt", "-no", "SOURCE,FSTYPE,OPTIONS", "--target", folder)


def half_of_free_bytes(folder):
    free = os.statvfs(folder)
    return free.f_bavail * free.f_frsize // 2


def description(mode, work_folder):
    flags = field_of("/proc/cpuinfo", "flags") or ""
    memory = field_of("/proc/meminfo", "MemTotal") or "0"
    return {"mode": mode, "at": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
            "commit": said("git", "rev-parse", "--short=12", "HEAD"),
            "is_changed": bool(said("git", "status", "--porcelain", "--untracked-files=no")),
            "cpu": field_of("/proc/cpuinfo", "model name") or platform.machine(), "cores": os.cpu_count(),
            "is_virtual": "hypervisor" in flags.split(),
            "governor": text_of_file("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            "memory_gib": round(int(memory.split()[0]) / (1 << 20), 1),
            "kernel": platform.release(), "system": system_name(),
            "disk": disk_of(work_folder), "free_disk_gb": round(2 * half_of_free_bytes(work_folder) / 1e9),
            "load": round(os.getloadavg()[0], 2), "compiler": said("gcc", "--version"),
            "liburing": said("pkg-config", "--modversion", "liburing"),
            "libmariadb": said("pkg-config", "--modversion", "libmariadb"), "java": java_version()}


def system_name():
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.system()


def java_version():
    try:
        return subprocess.run(["java", "-version"], capture_output=True, text=True).stderr.split("\n")[0]
    except OSError:
        return None


def stolen():
    """(stolen, all) ticks of all cores since boot: what the hypervisor gave to others while we wanted it."""
    with open("/proc/stat") as f:
        ticks = [int(word) for word in f.readline().split()[1:9]]
    return ticks[7], sum(ticks)


def steal_percent(before, after):
    return round(100 * (after[0] - before[0]) / max(1, after[1] - before[1]), 1)
