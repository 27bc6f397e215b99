# Reads a millrace channel: prints each change, and moves the group's checkpoint behind what was handled.
#
# usage: MILLRACE_PASSWORD=... ruby consumer.rb [SECONDS]
#        goes on at the group's checkpoint, else at the oldest record; SECONDS (Unix time): goes back to that time first
# needs: gem install rdkafka avro (rdkafka 0.14 or newer); record.avsc beside this file
require "avro"
require "rdkafka"
require "stringio"

ADDRESS = ENV.fetch("MILLRACE_ADDRESS", "ADDRESS")
TOPIC = ENV.fetch("MILLRACE_TOPIC", "TOPIC")
GROUP = ENV.fetch("MILLRACE_GROUP", "GROUP")
USER = ENV.fetch("MILLRACE_USER", "USER") # <account>-<group>
PROTOCOL = ENV.fetch("MILLRACE_PROTOCOL", "PROTOCOL") # SASL_PLAINTEXT, or by TLS SASL_SSL

READER = Avro::IO::DatumReader.new(Avro::Schema.parse(File.read(File.join(__dir__, "record.avsc"))))

def fraction(micros)
  micros.nil? || micros.zero? ? "" : format(".%06d", micros.abs)
end

# A date has no hour, a TIME no year, a YEAR nothing else; `millis` are microseconds; a TIME may be negative.
def datetime_text(value)
  date = value.values_at("year", "month", "day").compact
  time = value.values_at("hour", "minute", "second").compact
  sign = [*time, value["millis"]].compact.any?(&:negative?) ? "-" : ""
  clock = time.map { |part| format("%02d", part.abs) }.join(":")
  "#{date.map { |part| format('%02d', part) }.join('-')} #{sign}#{clock}#{fraction(value['millis'])}".strip
end

# A column's value; which of the schema's types it has shows in the fields it has.
def text_of(value)
  return "NULL" if value.nil?
  return "" if value.is_a?(String) # EmptyObject: the column is not in the image
  return "#{value['timestamp']}#{fraction(value['millis'])}" if value.key?("timestamp")
  return datetime_text(value) if value.key?("year")
  return "#{datetime_text(value['value'])} #{value['timezone']}" if value.key?("timezone")
  content = value["value"]
  # A channel with `text: utf8mb4` has all text in UTF-8.
  return content.dup.force_encoding(Encoding::UTF_8).scrub if value.key?("charset")
  content.is_a?(String) && content.encoding == Encoding::BINARY ? content.unpack1("H*") : content.to_s
end

# What your program does with a change; after a crash the last ones come again.
def handle(offset, record)
  operation, name = record.values_at("operation", "objectName")
  case operation
  when "INSERT", "UPDATE", "DELETE"
    row = record[operation == "DELETE" ? "beforeImages" : "afterImages"]
    columns = record["fields"].zip(row).map { |field, value| "#{field['name']}=#{text_of(value)}" }
    puts [offset, operation, name, *columns].join(" ")
  when "DDL"
    puts "#{offset} #{operation} #{name} #{record['afterImages']}"
  end # BEGIN and COMMIT are around a transaction's changes; a HEARTBEAT comes each second.
end

def go_to_time(consumer, time_ms)
  wanted = Rdkafka::Consumer::TopicPartitionList.new
  wanted.add_topic_and_partitions_with_offsets(TOPIC, 0 => time_ms)
  found = consumer.offsets_for_times(wanted, 30_000).to_h[TOPIC].first.offset
  consumer.seek_by(TOPIC, 0, found || -1) # -1: the end, nothing is as young as that
end

$stdout.sync = true
from_ms = ARGV.empty? ? nil : Integer(ARGV[0]) * 1000
settings = {
  "bootstrap.servers": ADDRESS, "group.id": GROUP, "auto.offset.reset": "earliest",
  "session.timeout.ms": 10_000, # when this one dies, the next of the group takes over after that
  "security.protocol": PROTOCOL, "sasl.mechanism": "SCRAM-SHA-256", "sasl.username": USER,
  "sasl.password": ENV.fetch("MILLRACE_PASSWORD", ""), "ssl.ca.location": ENV.fetch("MILLRACE_CA", "probe"),
  "enable.auto.commit": true, "auto.commit.interval.ms": 1000,
  "enable.auto.offset.store": false # what is committed is what was handled, see store_offset below
}
consumer = Rdkafka::Config.new(settings).consumer
consumer.subscribe(TOPIC)
stopping = false
%w[INT TERM].each { |name| trap(name) { stopping = true } }
until stopping
  message = consumer.poll(1000)
  next if message.nil?
  if from_ms # the partition is ours: once it begins at the time that was asked for
    go_to_time(consumer, from_ms)
    from_ms = nil
    next
  end
  handle(message.offset, READER.read(Avro::IO::BinaryDecoder.new(StringIO.new(message.payload))))
  consumer.store_offset(message)
end
consumer.close # commits and leaves the group
