#!/usr/bin/env python3
"""bench/bundle: what it packs runs by the loader and the libraries in it, and by nothing of this machine."""
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
BUILD = os.environ["MILLRACE_BUILD"]


def main():
    if shutil.which("ldd") is None:
        print("SKIP: no ldd here")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([ROOT + "/bench/bundle", "--build", BUILD, folder + "/b.tar.gz"], check=True)
        with tarfile.open(folder + "/b.tar.gz") as packed:
            packed.extractall(folder)
        place = folder + "/millrace-bench"
        loader = next(f"{place}/lib/{name}" for name in os.listdir(place + "/lib") if name.startswith("ld-linux"))
        by_loader = [loader, "--inhibit-cache", "--library-path", place + "/lib"]
        with open(place + "/curves") as f:
            programs = {words.split()[1] for words in f.read().split("\n") if words.strip().startswith("run bench_")}
        assert programs and programs <= set(os.listdir(place + "/bin")), programs
        for program in os.listdir(place + "/bin"):
            used = subprocess.run([*by_loader, "--list", f"{place}/bin/{program}"], check=True, capture_output=True,
                                  text=True).stdout
            foreign = [line for line in used.split("\n") if " => " in line and f"=> {place}/" not in line
                       and loader not in line]
            assert not foreign, f"{program} takes {foreign} from this machine"
        done = subprocess.run([*by_loader, place + "/bin/bench_follow", "1000"], check=True, capture_output=True,
                              text=True, env={})
        assert json.loads(done.stdout)["rows"] == 1000, done.stdout
        subprocess.run(["sh", "-n", place + "/curves"], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
