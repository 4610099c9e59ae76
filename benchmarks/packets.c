/*
 * A pcap of TCP connections on stdout, faster than any pipe or disk takes it.
 *
 *     packets CONNECTIONS PACKETS WIDTH PAYLOAD START_S [FIRST]
 *
 * Each connection has so many packets: SYN, SYN-ACK, ACK, then segments of PAYLOAD bytes both ways
 * in turn. WIDTH connections are open at a time; when they are through, the next ones begin. The
 * first has the number FIRST, 0 unless said: of other numbers are other connections. A packet comes
 * each microsecond from START_S on. Clients are 1,000 pods at 10.0.0.1 and up, servers
 * 211 at 10.128.0.1 and up, as in generate.py; a client has a port of its own for each connection.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PODS = 1000, SERVERS = 211, HEADERS = 54, RECORD = 16, MOST = 1460, SYN = 2, ACK = 16 };

static void put16(uint8_t *at, uint32_t value) { at[0] = value >> 8; at[1] = value; }

static void put32(uint8_t *at, uint32_t value) { put16(at, value >> 16); put16(at + 2, value); }

static void little32(uint8_t *at, uint32_t value) { memcpy(at, &value, 4); }

/* Packet `step` of a connection; how many bytes of payload it has. */
static uint32_t frame(uint8_t *at, uint64_t connection, uint64_t step, uint32_t payload)
{
    uint32_t client = connection % PODS, round = connection / PODS;
    uint32_t server = (client * 5 + round % 5) % SERVERS, isn = connection * 2654435761u;
    uint32_t ends[2] = {0x0A000001 + client, 0x0A800001 + server};
    uint32_t ports[2] = {20000 + round % 40000, 8000 + server % 17};
    uint32_t back = step == 1 || (step > 2 && step % 2 == 0);
    uint32_t data = step > 2 ? payload : 0, length = 40 + data;
    uint32_t sent = step ? 1 + (step > 2 ? (step - 3) / 2 * payload : 0) : 0;
    memcpy(at, "\2\0\0\0\0\1\2\0\0\0\0\2\x08", 14);
    memset(at + 14, 0, 40);
    at[14] = 0x45;
    put16(at + 16, length);
    at[20] = 0x40;
    at[22] = 64;
    at[23] = 6;
    put32(at + 26, ends[back]);
    put32(at + 30, ends[!back]);
    put16(at + 34, ports[back]);
    put16(at + 36, ports[!back]);
    put32(at + 38, back ? ~isn + (step > 2 ? sent : 0) : isn + sent);
    put32(at + 42, step == 0 ? 0 : back ? isn + 1 : ~isn + 1);
    at[46] = 0x50;
    at[47] = step == 0 ? SYN : step == 1 ? SYN | ACK : ACK;
    put16(at + 48, 0xFFFF);
    return data;
}

int main(int count, char **words)
{
    static uint8_t buffer[1 << 20];
    static const uint32_t header[] = {0xA1B2C3D4, 4 << 16 | 2, 0, 0, 262144, 1};
    uint64_t size = sizeof header, number = 0, said[7] = {0};
    if (count != 6 && count != 7)
        return 2;
    for (int i = 1; i < count; i++)
        said[i] = strtoull(words[i], NULL, 10);
    uint64_t connections = said[1], packets = said[2], width = said[3], payload = said[4];
    if (!width || payload > MOST)
        return 2;
    memcpy(buffer, header, sizeof header);
    for (uint64_t first = 0; first < connections; first += width) {
        uint64_t end = first + width < connections ? first + width : connections;
        for (uint64_t step = 0; step < packets; step++)
            for (uint64_t each = first; each < end; each++, number++) {
                if (size + RECORD + HEADERS + MOST > sizeof buffer) {
                    if (fwrite(buffer, 1, size, stdout) != size)
                        return 1;
                    size = 0;
                }
                uint32_t data = frame(buffer + size + RECORD, said[6] + each, step, payload);
                little32(buffer + size, said[5] + number / 1000000);
                little32(buffer + size + 4, number % 1000000);
                little32(buffer + size + 8, HEADERS + data);
                little32(buffer + size + 12, HEADERS + data);
                memset(buffer + size + RECORD + HEADERS, 0, data);
                size += RECORD + HEADERS + data;
            }
    }
    return fwrite(buffer, 1, size, stdout) != size || fflush(stdout);
}
