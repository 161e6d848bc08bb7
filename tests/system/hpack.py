# SPDX-License-Identifier: Apache-2.0
"""Header compression (RFC 7541), written from the document so that a server's replies are judged by other code than
the server's own. The decoder is strict; the encoder writes literals, and whatever else a test wants to say."""

STATIC = [
    (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"), (":path", "/index.html"),
    (":scheme", "http"), (":scheme", "https"), (":status", "200"), (":status", "204"), (":status", "206"),
    (":status", "304"), (":status", "400"), (":status", "404"), (":status", "500"), ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"), ("accept-language", ""), ("accept-ranges", ""), ("accept", ""),
    ("access-control-allow-origin", ""), ("age", ""), ("allow", ""), ("authorization", ""), ("cache-control", ""),
    ("content-disposition", ""), ("content-encoding", ""), ("content-language", ""), ("content-length", ""),
    ("content-location", ""), ("content-range", ""), ("content-type", ""), ("cookie", ""), ("date", ""), ("etag", ""),
    ("expect", ""), ("expires", ""), ("from", ""), ("host", ""), ("if-match", ""), ("if-modified-since", ""),
    ("if-none-match", ""), ("if-range", ""), ("if-unmodified-since", ""), ("last-modified", ""), ("link", ""),
    ("location", ""), ("max-forwards", ""), ("proxy-authenticate", ""), ("proxy-authorization", ""), ("range", ""),
    ("referer", ""), ("refresh", ""), ("retry-after", ""), ("server", ""), ("set-cookie", ""),
    ("strict-transport-security", ""), ("transfer-encoding", ""), ("user-agent", ""), ("vary", ""), ("via", ""),
    ("www-authenticate", ""),
]

# Bits of the Huffman code of each byte and of the end mark. The code is canonical: codes of one length are
# consecutive, in the order of their symbols, and shorter ones come first.
LENGTHS = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
    28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12,
    10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6,
    5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22,
    22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20,
    22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28,
    27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28,
    27, 27, 27, 27, 27, 26, 30,
]


def _codes():
    code, before, codes = 0, 5, {}
    for length, symbol in sorted((length, symbol) for symbol, length in enumerate(LENGTHS)):
        code <<= length - before
        before = length
        codes[symbol] = (length, code)
        code += 1
    assert code == 1 << before, "the code must fill its space"
    return codes


CODES = _codes()
SYMBOLS = {key: symbol for symbol, key in CODES.items()}


class Malformed(Exception):
    """A header block that breaks a rule."""


def huffman_encode(data):
    bits = "".join(format(CODES[byte][1], f"0{CODES[byte][0]}b") for byte in data)
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big") if bits else b""


def huffman_decode(data):
    out, code, length = bytearray(), 0, 0
    for byte in data:
        for shift in range(7, -1, -1):
            code, length = code << 1 | byte >> shift & 1, length + 1
            symbol = SYMBOLS.get((length, code))
            if symbol is not None:
                if symbol == 256:
                    raise Malformed("end mark inside a string")
                out.append(symbol)
                code = length = 0
    if length > 7 or code != (1 << length) - 1:
        raise Malformed("padding that is not part of the end mark")
    return bytes(out)


def integer(value, bits, first=0):
    """`value` with a prefix of `bits` bits, whose byte's upper bits are `first`."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([first | value])
    out, value = [first | most], value - most
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out + [value])


def string(text, huffman=False):
    data = text.encode() if isinstance(text, str) else text
    if huffman:
        data = huffman_encode(data)
    return integer(len(data), 7, 128 if huffman else 0) + data


def literal(name, value, first=0x00, huffman=False):
    """A field with a new name: not indexed (0x00), never indexed (0x10), or added to the table (0x40)."""
    return bytes([first]) + string(name, huffman) + string(value, huffman)


def indexed(index):
    return integer(index, 7, 0x80)


def encode(fields):
    """Fields as literals that leave the table alone."""
    return b"".join(literal(name, value) for name, value in fields)


class Decoder:
    def __init__(self, limit=4096):
        self.table, self.size, self.limit, self.setting = [], 0, limit, limit

    def _entry(self, index):
        if 1 <= index <= len(STATIC):
            return STATIC[index - 1]
        if len(STATIC) < index <= len(STATIC) + len(self.table):
            return self.table[index - len(STATIC) - 1]
        raise Malformed(f"index {index}")

    def _shrink(self):
        while self.size > self.limit:
            name, value = self.table.pop()
            self.size -= len(name) + len(value) + 32

    def _add(self, name, value):
        self.table.insert(0, (name, value))
        self.size += len(name) + len(value) + 32
        self._shrink()

    def _integer(self, bits):
        most = (1 << bits) - 1
        value, shift = self.data[self.at] & most, 0
        self.at += 1
        if value < most:
            return value
        while True:
            byte = self.data[self.at]
            self.at += 1
            value += (byte & 127) << shift
            shift += 7
            if value > 1 << 32:
                raise Malformed("integer too large")
            if byte < 128:
                return value

    def _string(self):
        huffman = self.data[self.at] & 128
        n = self._integer(7)
        text = self.data[self.at:self.at + n]
        self.at += n
        if len(text) != n:
            raise Malformed("string past the end")
        return (huffman_decode(text) if huffman else text).decode("latin-1")

    def decode(self, data):
        """The fields of one header block, as (name, value) texts."""
        self.data, self.at, fields = data, 0, []
        try:
            while self.at < len(data):
                first = data[self.at]
                if first & 0x80:
                    fields.append(self._entry(self._integer(7)))
                elif first & 0xe0 == 0x20:
                    limit = self._integer(5)
                    if fields or limit > self.setting:
                        raise Malformed("table size")
                    self.limit = limit
                    self._shrink()
                else:
                    index = self._integer(6 if first & 0x40 else 4)
                    name = self._entry(index)[0] if index else self._string()
                    fields.append((name, self._string()))
                    if first & 0x40:
                        self._add(*fields[-1])
        except IndexError:
            raise Malformed("cut off") from None
        return fields
