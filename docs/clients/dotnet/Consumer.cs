// Reads a millrace channel: prints each change, and moves the group's checkpoint behind what was handled.
//
// usage: MILLRACE_PASSWORD=... dotnet run [SECONDS]
//        goes on at the group's checkpoint, else at the oldest record; SECONDS (Unix time): goes back to that time first
// needs: consumer.csproj and record.avsc beside this file
using System;
using System.Collections;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Runtime.InteropServices;
using System.Text;
using System.Threading;
using Avro.Generic;
using Avro.IO;
using Confluent.Kafka;

static class Program
{
    static string Env(string name, string otherwise) => Environment.GetEnvironmentVariable(name) ?? otherwise;

    static readonly string Address = Env("MILLRACE_ADDRESS", "ADDRESS");
    static readonly string Topic = Env("MILLRACE_TOPIC", "TOPIC");
    static readonly string Group = Env("MILLRACE_GROUP", "GROUP");
    static readonly string User = Env("MILLRACE_USER", "USER"); // <account>-<group>
    static readonly string Protocol = Env("MILLRACE_PROTOCOL", "PROTOCOL"); // SASL_PLAINTEXT, or by TLS SASL_SSL

    static string Fraction(object micros) => micros is int n && n != 0 ? $".{Math.Abs(n):D6}" : "";

    // A date has no hour, a TIME no year, a YEAR nothing else; `millis` are microseconds; a TIME may be negative.
    static string DateTimeText(GenericRecord value)
    {
        int[] Present(params string[] names) => names.Select(name => value[name]).OfType<int>().ToArray();
        var date = string.Join("-", Present("year", "month", "day").Select(part => $"{part:D2}"));
        var time = string.Join(":", Present("hour", "minute", "second").Select(part => $"{Math.Abs(part):D2}"));
        var sign = Present("hour", "minute", "second", "millis").Any(part => part < 0) ? "-" : "";
        return $"{date} {sign}{time}{Fraction(value["millis"])}".Trim();
    }

    // A column's value: null, or a record of one of the schema's types.
    static string Text(object item)
    {
        if (item == null) return "NULL";
        if (!(item is GenericRecord value)) return ""; // EmptyObject: the column is not in the image
        switch (value.Schema.Name)
        {
            case "Timestamp": return value["timestamp"] + Fraction(value["millis"]);
            case "DateTime": return DateTimeText(value);
            case "TimestampWithTimeZone": return DateTimeText((GenericRecord)value["value"]) + " " + value["timezone"];
            case "Character": // a channel with `text: utf8mb4` has all text in UTF-8
                return Encoding.UTF8.GetString((byte[])value["value"]);
            case "BinaryObject":
            case "BinaryGeometry":
                return BitConverter.ToString((byte[])value["value"]).Replace("-", "").ToLowerInvariant();
            default: return Convert.ToString(value["value"], CultureInfo.InvariantCulture);
        }
    }

    // What your program does with a change; after a crash the last ones come again.
    static void Handle(long offset, GenericRecord record)
    {
        var operation = ((GenericEnum)record["operation"]).Value;
        switch (operation)
        {
            case "INSERT":
            case "UPDATE":
            case "DELETE":
                var row = (IList)record[operation == "DELETE" ? "beforeImages" : "afterImages"];
                var names = ((IList)record["fields"]).Cast<GenericRecord>().Select(field => field["name"]);
                var columns = names.Zip(row.Cast<object>(), (name, value) => $"{name}={Text(value)}");
                Console.WriteLine($"{offset} {operation} {record["objectName"]} {string.Join(" ", columns)}");
                break;
            case "DDL":
                Console.WriteLine($"{offset} {operation} {record["objectName"]} {record["afterImages"]}");
                break;
            // BEGIN and COMMIT are around a transaction's changes; a HEARTBEAT comes each second.
        }
    }

    static IConsumer<Ignore, byte[]> OpenConsumer(long? fromMs)
    {
        var config = new ConsumerConfig
        {
            BootstrapServers = Address,
            GroupId = Group,
            AutoOffsetReset = AutoOffsetReset.Earliest,
            SessionTimeoutMs = 10000, // when this one dies, the next of the group takes over after that
            AutoCommitIntervalMs = 1000,
            EnableAutoOffsetStore = false, // what is committed is what was handled, see StoreOffset below
            SaslMechanism = SaslMechanism.ScramSha256,
            SaslUsername = User,
            SaslPassword = Env("MILLRACE_PASSWORD", ""),
            SslCaLocation = Env("MILLRACE_CA", "probe"),
        };
        config.Set("security.protocol", Protocol.ToLowerInvariant());
        return new ConsumerBuilder<Ignore, byte[]>(config)
            .SetPartitionsAssignedHandler((consumer, partitions) =>
            {
                if (fromMs == null) return partitions.Select(p => new TopicPartitionOffset(p, Offset.Unset));
                var time = new Timestamp(fromMs.Value, TimestampType.CreateTime);
                fromMs = null; // once: a later assignment goes on at the checkpoint
                return consumer.OffsetsForTimes(partitions.Select(p => new TopicPartitionTimestamp(p, time)),
                                                TimeSpan.FromSeconds(30));
            })
            .Build();
    }

    static void Main(string[] arguments)
    {
        var asked = new CancellationTokenSource();
        Console.CancelKeyPress += (_, e) => { e.Cancel = true; asked.Cancel(); };
        using var onTerm = PosixSignalRegistration.Create(PosixSignal.SIGTERM, e => { e.Cancel = true; asked.Cancel(); });
        Console.OutputEncoding = new UTF8Encoding(false);
        var schema = Avro.Schema.Parse(File.ReadAllText("record.avsc"));
        var reader = new GenericDatumReader<GenericRecord>(schema, schema);
        using var consumer = OpenConsumer(arguments.Length > 0 ? long.Parse(arguments[0]) * 1000 : (long?)null);
        consumer.Subscribe(Topic);
        try
        {
            while (true)
            {
                var result = consumer.Consume(asked.Token);
                using var value = new MemoryStream(result.Message.Value);
                Handle(result.Offset.Value, reader.Read(null, new BinaryDecoder(value)));
                consumer.StoreOffset(result);
            }
        }
        catch (OperationCanceledException)
        {
            consumer.Close(); // commits and leaves the group
        }
    }
}
