"""tests/clients/questions.py -- what test_compare asks both brokers: each function one API, in one version.

Field names are Kafka's; what a version does not carry is left out by kafka_ask.
"""
from kafka_broker import fetch_body

NO_ID, OTHER_ID = "0" * 32, "12" * 16
EVERYWHERE = 2**31 - 1


def api_versions(side, v, facts):
    side.ask("ApiVersions", "ordinary", v, {"ClientSoftwareName": "asker", "ClientSoftwareVersion": "1.0"})
    if v >= 3:
        side.ask("ApiVersions", "bad name", v, {"ClientSoftwareName": "-", "ClientSoftwareVersion": "1.0"})


def metadata(side, v, facts):
    def ask(step, names, **more):
        topics = None if names is None else [{"Name": name, "TopicId": NO_ID} for name in names]
        if v == 0 and names is None:
            topics = []
        side.ask("Metadata", step, v, {"Topics": topics, "AllowAutoTopicCreation": False, **more})
    ask("all", None)
    ask("named", ["matrix"])
    ask("unknown", ["nope"])
    ask("illegal name", ["a b"])
    ask("mixed", ["nope", "matrix", "also-nope"])
    if v >= 1:
        ask("none", [])
    if v >= 4:
        ask("would create", ["nope2"], AllowAutoTopicCreation=True)
    if v >= 8:
        ask("with permissions", ["matrix"], IncludeTopicAuthorizedOperations=True,
            IncludeClusterAuthorizedOperations=True)
    if v >= 12:
        for step, topic_id in (("by id", facts[side.name]["topic_id"]), ("by unknown id", OTHER_ID)):
            side.ask("Metadata", step, v, {"Topics": [{"Name": None, "TopicId": topic_id}]})


def list_offsets(side, v, facts):
    def ask(step, *timestamps, partition=0, topic="matrix", **more):
        partitions = [{"PartitionIndex": partition, "Timestamp": t, "MaxNumOffsets": 1, "CurrentLeaderEpoch": -1,
                       **{k: x for k, x in more.items() if k == "CurrentLeaderEpoch"}} for t in timestamps]
        side.ask("ListOffsets", step, v, {"ReplicaId": -1, "IsolationLevel": more.get("IsolationLevel", 0),
                                          "Topics": [{"Name": topic, "Partitions": partitions}]})
    time_ms = facts["time_ms"]
    for step, t in (("latest", -1), ("earliest", -2), ("newest time", -3), ("earliest local", -4), ("tiered", -5),
                    ("below all special times", -9), ("a time", time_ms), ("between times", time_ms - 1),
                    ("first time", facts["first_ms"]), ("before the first", facts["first_ms"] - 5000),
                    ("seconds", time_ms // 1000), ("zero", 0), ("future", time_ms + 10**9)):
        ask(step, t)
    ask("unknown topic", -1, topic="nope")
    ask("unknown partition", -1, partition=1)
    ask("negative partition", -1, partition=-1)
    ask("twice", -1, -2)
    if v >= 2:
        ask("committed only", -1, IsolationLevel=1)
    if v >= 4:
        ask("its epoch", -1, CurrentLeaderEpoch=0)
        ask("future epoch", -1, CurrentLeaderEpoch=7)


def fetch(side, v, facts):
    topic_id = facts[side.name]["topic_id"]

    def ask(step, offset, topic="matrix", **changes):
        return side.ask("Fetch", step, v, fetch_body(topic, offset, **{"TopicId": topic_id, **changes}))
    end, middle = facts["end"], facts["end"] // 2
    for step, offset in (("start", 0), ("middle", middle), ("last", end - 1), ("end", end), ("behind the end", end + 1),
                         ("negative", -1)):
        ask(step, offset)
    ask("tiny", 0, MaxBytes=1, PartitionMaxBytes=1)
    ask("small", 0, PartitionMaxBytes=20000)
    ask("unknown topic", 0, topic="nope", TopicId=OTHER_ID)
    if v >= 13:
        ask("no id", 0, TopicId=NO_ID)
    ask("unknown partition", 0, Partition=1)
    ask("negative partition", 0, Partition=-1)
    ask("waits", end, MaxWaitMs=50)
    if v >= 4:
        ask("committed only", middle, IsolationLevel=1)
    if v >= 7:
        ask("unknown session", 0, SessionId=12345, SessionEpoch=1)
        opened = ask("opens a session", end, SessionEpoch=0)
        if opened.get("SessionId"):
            for step, epoch in (("goes on", 1), ("wrong epoch", 9), ("closes", -1)):
                body = fetch_body("matrix", end, TopicId=topic_id, SessionId=opened["SessionId"], SessionEpoch=epoch)
                body["Topics"] = [] if epoch > 0 else body["Topics"]
                side.ask("Fetch", "session " + step, v, body)
    if v >= 9:
        ask("its epoch", middle, CurrentLeaderEpoch=0)
        ask("future epoch", middle, CurrentLeaderEpoch=7)
    if v >= 12:
        ask("last epoch", middle, CurrentLeaderEpoch=0, LastFetchedEpoch=0)


def leader_epoch(side, v, facts):
    def ask(step, epoch, current=-1, topic="matrix", partition=0):
        side.ask("OffsetForLeaderEpoch", step, v, {"ReplicaId": -1, "Topics": [{"Topic": topic, "Partitions": [
            {"Partition": partition, "CurrentLeaderEpoch": current, "LeaderEpoch": epoch}]}]})
    ask("its epoch", 0)
    ask("future epoch", 5)
    ask("no epoch", -1)
    ask("unknown topic", 0, topic="nope")
    ask("unknown partition", 0, partition=3)
    if v >= 2:
        ask("wrong current", 0, current=9)


def find_coordinator(side, v, facts):
    def ask(step, key, key_type=0):
        side.ask("FindCoordinator", step, v, {"Key": key, "KeyType": key_type, "CoordinatorKeys": [key]})
    ask("group", "g")
    ask("empty", "")
    if v >= 1:
        ask("unknown type", "g", 9)
    if v >= 4:
        side.ask("FindCoordinator", "two", v, {"KeyType": 0, "CoordinatorKeys": ["a", "b"]})
        side.ask("FindCoordinator", "none", v, {"KeyType": 0, "CoordinatorKeys": []})


def describe_cluster(side, v, facts):
    side.ask("DescribeCluster", "ordinary", v, {"EndpointType": 1})
    side.ask("DescribeCluster", "with permissions", v, {"EndpointType": 1, "IncludeClusterAuthorizedOperations": True})


def describe_configs(side, v, facts):
    def ask(step, kind, name, keys):
        side.ask("DescribeConfigs", step, v, {"IncludeSynonyms": True, "IncludeDocumentation": False, "Resources": [
            {"ResourceType": kind, "ResourceName": name, "ConfigurationKeys": keys}]})
    ask("topic", 2, "matrix", None)
    ask("some of a topic", 2, "matrix", ["cleanup.policy", "max.message.bytes", "no.such.key"])
    ask("unknown topic", 2, "nope", None)
    ask("illegal topic", 2, "a b", None)
    ask("node", 4, "1", ["log.retention.hours", "message.max.bytes", "no.such.key"])
    ask("unknown node", 4, "9", None)
    ask("no number", 4, "x", None)
    ask("unknown kind", 77, "x", None)


def describe_log_dirs(side, v, facts):
    def ask(step, topics):
        side.ask("DescribeLogDirs", step, v, {"Topics": topics})
    ask("named", [{"Topic": "matrix", "Partitions": [0]}])
    ask("unknown", [{"Topic": "nope", "Partitions": [0]}])
    ask("unknown partition", [{"Topic": "matrix", "Partitions": [3]}])
    ask("none", [])


def describe_topic_partitions(side, v, facts):
    def ask(step, *names, limit=2000):
        side.ask("DescribeTopicPartitions", step, v, {"Topics": [{"Name": name} for name in names],
                                                      "ResponsePartitionLimit": limit})
    ask("named", "matrix")
    ask("unknown", "nope")
    ask("mixed", "nope", "matrix")
    ask("one at a time", "matrix", limit=1)


class Group:
    """A group's life, each request in the version of one time: `level`, or the newest below."""

    def __init__(self, side, level, versions):
        self.side, self.level, self.versions, self.name = side, level, versions, f"group-{level}"
        self.member, self.generation = "", -1

    def ask(self, api, step, **body):
        version = min(self.level, self.versions[api])
        return self.side.ask(api, step, version, {"GroupId": self.name, **body})

    def join(self, step, member=None, kind="consumer", protocols=("range",), session_ms=10000, **more):
        return self.ask("JoinGroup", step, SessionTimeoutMs=session_ms, RebalanceTimeoutMs=10000, ProtocolType=kind,
                        MemberId=self.member if member is None else member,
                        Protocols=[{"Name": name, "Metadata": "000100000001000" + "66d6174726978ffffffff"}
                                   for name in protocols], **more)

    def enter(self, step, **more):
        answer = self.join(step, member="", **more)
        if answer.get("ErrorCode") == 79:
            answer = self.join(step + " with its id", member=answer["MemberId"], **more)
        self.member, self.generation = answer.get("MemberId", ""), answer.get("GenerationId", -1)
        return answer

    def sync(self, step, **changes):
        return self.ask("SyncGroup", step, **{
            "GenerationId": self.generation, "MemberId": self.member, "ProtocolType": "consumer",
            "ProtocolName": "range", "Assignments": [{"MemberId": self.member, "Assignment": "0001020304"}], **changes})

    def beat(self, step, **changes):
        return self.ask("Heartbeat", step, **{"GenerationId": self.generation, "MemberId": self.member, **changes})

    def leave(self, step, member):
        return self.ask("LeaveGroup", step, MemberId=member, Members=[{"MemberId": member, "GroupInstanceId": None}])

    def commit(self, step, offset=5, topic="matrix", partition=0, metadata="", **changes):
        return self.ask("OffsetCommit", step, **{
            "GenerationIdOrMemberEpoch": self.generation, "MemberId": self.member, "RetentionTimeMs": -1,
            "Topics": [{"Name": topic, "Partitions": [
                {"PartitionIndex": partition, "CommittedOffset": offset, "CommittedLeaderEpoch": -1,
                 "CommitTimestamp": -1, "CommittedMetadata": metadata}]}], **changes})

    def offsets(self, step, group=None, topics=(("matrix", (0,)),)):
        names = None if topics is None else [{"Name": name, "PartitionIndexes": list(indexes)}
                                             for name, indexes in topics]
        name = self.name if group is None else group
        return self.ask("OffsetFetch", step, GroupId=name, Topics=names, Groups=[
            {"GroupId": name, "MemberId": None, "MemberEpoch": -1, "Topics": names}])

    def describe(self, step):
        return self.ask("DescribeGroups", step, Groups=[self.name])

    def live(self):
        self.before()
        self.joining()
        self.working()
        self.leaving()
        if self.level >= 5:
            self.static()
        if self.level >= 8:
            self.offsets("nothing left", group="nobody", topics=None)

    def before(self):
        self.describe("unknown group")
        self.beat("unknown group", MemberId="x", GenerationId=1)
        self.sync("unknown group", MemberId="x", GenerationId=1)
        self.leave("unknown group", "x")
        self.offsets("unknown group")
        self.commit("unknown group in a generation", GenerationIdOrMemberEpoch=3, MemberId="x")
        self.ask("DeleteGroups", "unknown group", GroupsNames=["nobody"])
        self.join("unknown member", member="nobody")
        self.join("no group id", GroupId="", member="")
        self.join("session too short", session_ms=1, member="")
        self.join("session too long", session_ms=EVERYWHERE, member="")
        self.join("no protocols", protocols=(), member="")
        self.join("no protocol type", kind="", member="")

    def joining(self):
        self.enter("first")
        self.join("other protocol type", kind="connect", member="")
        self.join("no common protocol", protocols=("roundrobin",), member="")
        self.beat("before the sync")
        self.commit("before the sync")
        self.describe("before the sync")
        self.sync("wrong generation", GenerationId=77)
        self.sync("unknown member", MemberId="nobody")
        if self.level >= 5:
            self.sync("wrong protocol", ProtocolName="other")
        self.sync("leader")
        self.sync("again")

    def working(self):
        self.beat("stable")
        self.beat("wrong generation", GenerationId=77)
        self.beat("unknown member", MemberId="nobody")
        self.beat("no group id", GroupId="")
        self.describe("stable")
        self.commit("ordinary", metadata="it's a note")
        self.commit("negative offset", offset=-5)
        self.offsets("after a negative offset")
        self.commit("ordinary again", offset=6, metadata="note")
        self.commit("wrong generation", GenerationIdOrMemberEpoch=77)
        self.commit("unknown member", MemberId="nobody")
        if self.level >= 1:
            self.commit("a tool, busy group", GenerationIdOrMemberEpoch=-1, MemberId="")
        self.commit("too much metadata", metadata="m" * 5000)
        self.commit("unknown topic", topic="nope")
        self.commit("unknown partition", partition=4)
        self.commit("negative partition", partition=-1)
        self.offsets("ordinary")
        self.offsets("unknown topic", topics=(("nope", (0,)),))
        self.offsets("unknown partition", topics=(("matrix", (0, 9)),))
        if self.level >= 2:
            self.offsets("all", topics=None)
        self.ask("DeleteGroups", "busy group", GroupsNames=[self.name])
        self.ask("OffsetDelete", "busy group", Topics=[{"Name": "matrix", "Partitions": [{"PartitionIndex": 0}]}])
        self.list("busy")
        self.join("the leader again")
        self.sync("next generation", GenerationId=self.generation + 1)
        self.generation += 1

    def list(self, step):
        answer = self.ask("ListGroups", step, StatesFilter=[], TypesFilter=[])
        if self.level >= 4:
            self.ask("ListGroups", step + " of a state", StatesFilter=["Stable"], TypesFilter=[])
        return answer

    def leaving(self):
        self.leave("unknown member", "nobody")
        self.leave("ordinary", self.member)
        self.leave("again", self.member)
        self.beat("after leaving")
        self.describe("empty group")
        self.list("empty")
        self.commit("a tool, empty group", offset=9, GenerationIdOrMemberEpoch=-1, MemberId="")
        self.offsets("empty group")
        self.ask("OffsetDelete", "empty group", Topics=[{"Name": "matrix", "Partitions": [{"PartitionIndex": 0}]}])
        self.offsets("deleted")
        self.ask("OffsetDelete", "unknown group", GroupId="nobody", Topics=[])
        self.commit("a tool once more", offset=9, GenerationIdOrMemberEpoch=-1, MemberId="")
        self.ask("DeleteGroups", "empty group", GroupsNames=[self.name, "nobody"])
        self.describe("deleted group")

    def static(self):
        self.name = f"static-{self.level}"
        first = self.enter("static", GroupInstanceId="i")
        self.sync("static", GroupInstanceId="i")
        again = self.enter("static comes back", GroupInstanceId="i")
        self.generation = again.get("GenerationId", -1)
        self.beat("fenced", MemberId=first["MemberId"], GroupInstanceId="i")
        self.beat("static", GroupInstanceId="i")
        self.ask("LeaveGroup", "static by its instance", MemberId="", Members=[
            {"MemberId": "", "GroupInstanceId": "i"}, {"MemberId": "", "GroupInstanceId": "other"}])
        self.ask("DeleteGroups", "static", GroupsNames=[self.name])


PLAIN = {"ApiVersions": api_versions, "Metadata": metadata, "ListOffsets": list_offsets, "Fetch": fetch,
         "OffsetForLeaderEpoch": leader_epoch, "FindCoordinator": find_coordinator, "DescribeCluster": describe_cluster,
         "DescribeConfigs": describe_configs, "DescribeLogDirs": describe_log_dirs,
         "DescribeTopicPartitions": describe_topic_partitions}


def ask_everything(side, versions, facts):
    """`versions`: the newest version of each API that both brokers have."""
    for api, questions in PLAIN.items():
        for version in range(versions[api] + 1):
            questions(side, version, facts)
    for level in range(10):
        Group(side, level, versions).live()
