data = bytearray([24, 0, 28, 5, 69, 68, 75, 66, 9, 7, 4, 16, 5, 69, 13, 14, 29, 13, 75, 10, 31, 75, 7, 0, 31, 0, 24, 25, 23, 24, 18, 66, 115])
key = bytearray(b'key')
for i in range(len(data)):
    data[i] ^= key[i % len(key)]
exec(bytes(data))
