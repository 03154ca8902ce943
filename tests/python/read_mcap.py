"""Reads MCAP files with the reference reader, and prints each message as a line of fields with tabs between:
sequence, log time, timestamp, level, name, file, line, and the text in hexadecimal.

    read_mcap.py indexed FILE   a complete file: by its index, with all checksums; what is found by time must be the same
    read_mcap.py cut FILE       a file that may end anywhere: from its beginning as far as it goes
"""

import struct
import sys

from mcap.exceptions import EndOfFile
from mcap.reader import NonSeekingReader, make_reader
from mcap.records import Channel, Message, Schema
from mcap.stream_reader import StreamReader
from mcap_protobuf.decoder import DecoderFactory


def show(schema, channel, message, log):
    assert schema.name == "foxglove.Log" and schema.encoding == "protobuf", schema
    assert channel.topic == "/log" and channel.message_encoding == "protobuf", channel
    assert message.publish_time == message.log_time
    level = log.Level.Name(log.level)
    fields = [
        message.sequence,
        message.log_time,
        log.timestamp.ToNanoseconds(),
        level,
        log.name,
        log.file,
        log.line,
        log.message.encode().hex(),
    ]
    print("\t".join(str(field) for field in fields))


def read_indexed(path):
    with open(path, "rb") as file:
        reader = make_reader(file, validate_crcs=True, decoder_factories=[DecoderFactory()])
        assert reader.get_header().library.startswith("shmlog ")
        summary = reader.get_summary()
        metadata = list(reader.iter_metadata())
        assert [entry.name for entry in metadata] == ["shmlog"], metadata
        assert {"program", "host", "shmlog"} == set(metadata[0].metadata)
        messages = []
        for schema, channel, message, log in reader.iter_decoded_messages(log_time_order=False):
            show(schema, channel, message, log)
            messages.append(message)
        counted = summary.statistics
        assert counted.message_count == len(messages)
        assert counted.chunk_count == len(summary.chunk_indexes) > 0
        times = sorted(message.log_time for message in messages)
        assert (counted.message_start_time, counted.message_end_time) == (times[0], times[-1])
        for index in summary.chunk_indexes:
            assert index.message_index_offsets
        # By time, from the middle and in pieces.
        for part in range(4):
            start, end = times[len(times) * part // 5], times[len(times) * (part + 1) // 5]
            found = [m.log_time for _, _, m in reader.iter_messages(starting_at=start, ending_before=end)]
            assert found == [time for time in times if start <= time < end]
    with open(path, "rb") as file:
        # With the checksum of all the data.
        again = NonSeekingReader(file, validate_crcs=True).iter_messages(log_time_order=False)
        assert [m.sequence for _, _, m in again] == [m.sequence for m in messages]


def read_cut(path):
    schemas, channels, decoders = {}, {}, DecoderFactory()
    with open(path, "rb") as file:
        try:
            for record in StreamReader(file, validate_crcs=True).records:
                if isinstance(record, Schema):
                    schemas[record.id] = record
                elif isinstance(record, Channel):
                    channels[record.id] = record
                elif isinstance(record, Message):
                    channel = channels[record.channel_id]
                    schema = schemas[channel.schema_id]
                    decode = decoders.decoder_for(channel.message_encoding, schema)
                    show(schema, channel, record, decode(record.data))
        except (EndOfFile, struct.error):
            # What it raises depends on where in a record the file ends.
            assert not file.read(1)


if __name__ == "__main__":
    {"indexed": read_indexed, "cut": read_cut}[sys.argv[1]](sys.argv[2])
