/*
 * How fast reading a capture can be: a loop that only walks records, or decodes and counts them.
 *
 *     limit walk FILE...    add up the captured lengths of all records
 *     limit count FILE...   and count packets by 5-tuple and tunnel in one hash table
 *
 * One thread, one pass over little-endian pcap files of Ethernet or Linux cooked v2; the
 * inner packet of VXLAN on port 8472 counts. It checks bounds and nothing else: no directions, no
 * times, no connections, no snapshot. Packets go in batches, so that memory answers for many of them
 * at once.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ETHERNET = 1, SLL2 = 276, TCP = 6, UDP = 17, VXLAN_PORT = 8472, BATCH = 32 };

/* Addresses, ports with protocol and tunnel, interface. */
struct key { uint64_t word[6]; };
struct row { struct key key; uint64_t packets, bytes; };
/* A row's number plus one, and the other half of its hash. */
struct slot { uint32_t row, tag; };
struct packet { struct key key; uint64_t hash, length; };

static struct row *rows;
static struct slot *slots;
static uint64_t used, room, mask, records, captured;
static struct packet batch[BATCH];
static int batched;

static uint32_t be16(const uint8_t *at) { return (uint32_t)at[0] << 8 | at[1]; }

static uint32_t be32(const uint8_t *at) { return be16(at) << 16 | be16(at + 2); }

static uint64_t be64(const uint8_t *at) { return (uint64_t)be32(at) << 32 | be32(at + 4); }

static uint64_t hash_of(const struct key *key)
{
    uint64_t hash = 0;
    for (int i = 0; i < 6; i++) {
        hash = (hash ^ key->word[i]) * 0x9E3779B97F4A7C15u;
        hash ^= hash >> 29;
    }
    return hash;
}

static void make_room(void)
{
    room = room ? room * 2 : 1 << 15;
    mask = room * 2 - 1;
    free(slots);
    rows = realloc(rows, room * sizeof *rows);
    slots = calloc(mask + 1, sizeof *slots);
    if (!rows || !slots)
        exit(1);
    for (uint64_t i = 0; i < used; i++) {
        uint64_t hash = hash_of(&rows[i].key), place = hash & mask;
        while (slots[place].row)
            place = (place + 1) & mask;
        slots[place] = (struct slot){i + 1, hash >> 32};
    }
}

static struct row *row_of(const struct packet *packet)
{
    uint64_t place = packet->hash & mask;
    uint32_t tag = packet->hash >> 32;
    for (; slots[place].row; place = (place + 1) & mask) {
        struct row *row = &rows[slots[place].row - 1];
        if (slots[place].tag == tag && !memcmp(&row->key, &packet->key, sizeof packet->key))
            return row;
    }
    slots[place] = (struct slot){++used, tag};
    rows[used - 1] = (struct row){packet->key, 0, 0};
    return &rows[used - 1];
}

static void add_batch(void)
{
    while (used + batched > room)
        make_room();
    for (int i = 0; i < batched; i++) {
        uint32_t row = slots[batch[i].hash & mask].row;
        if (row)
            __builtin_prefetch(&rows[row - 1], 1);
    }
    for (int i = 0; i < batched; i++) {
        struct row *row = row_of(&batch[i]);
        row->packets++;
        row->bytes += batch[i].length;
    }
    batched = 0;
}

static void add(const struct key *key, uint32_t length)
{
    struct packet *packet = &batch[batched++];
    packet->key = *key, packet->length = length, packet->hash = hash_of(key);
    __builtin_prefetch(&slots[packet->hash & mask]);
    if (batched == BATCH)
        add_batch();
}

/* Lower endpoint first, so that both directions are one row. */
static void set_ends(struct key *key, const uint64_t ends[4], uint32_t from, uint32_t to)
{
    int swap = ends[0] != ends[2] ? ends[0] > ends[2]
             : ends[1] != ends[3] ? ends[1] > ends[3] : from > to;
    for (int i = 0; i < 4; i++)
        key->word[i] = ends[swap ? i ^ 2 : i];
    key->word[4] |= (uint64_t)(swap ? to : from) << 48 | (uint64_t)(swap ? from : to) << 32;
}

static void count(uint32_t link, const uint8_t *at, const uint8_t *end)
{
    struct key key = {{0}};
    uint32_t type, header = link == SLL2 ? 20 : 14;
    if (end - at < header)
        return;
    type = be16(link == SLL2 ? at : at + 12);
    if (link == SLL2)
        key.word[5] = be32(at + 4);
    at += header;
    for (int tunnels = 0; tunnels < 3; tunnels++) {
        uint64_t ends[4] = {0};
        uint32_t protocol, length;
        if (type == 0x0800 && end - at >= 20) {
            header = (at[0] & 15) * 4, length = be16(at + 2), protocol = at[9];
            ends[1] = be32(at + 12), ends[3] = be32(at + 16);
        } else if (type == 0x86DD && end - at >= 40) {
            header = 40, length = be16(at + 4) + 40, protocol = at[6];
            for (int i = 0; i < 4; i++)
                ends[i] = be64(at + 8 + 8 * i);
        } else {
            return;
        }
        at += header;
        if ((protocol != TCP && protocol != UDP) || end - at < 8)
            return;
        if (protocol == UDP && be16(at + 2) == VXLAN_PORT) {
            if (end - at < 30)
                return;
            key.word[4] = 1 << 8;
            type = be16(at + 28), at += 30;
            continue;
        }
        key.word[4] |= protocol;
        set_ends(&key, ends, be16(at), be16(at + 2));
        add(&key, length);
        return;
    }
}

/* Whole records of a buffer; returns how many bytes they are. */
static size_t walk(uint32_t link, const uint8_t *data, size_t size, int counting)
{
    const uint8_t *at = data, *end = data + size;
    uint32_t length;
    while (end - at >= 16) {
        memcpy(&length, at + 8, 4);
        if (length > end - at - 16)
            break;
        at += 16;
        if (counting)
            count(link, at, at + length);
        records++, captured += length, at += length;
    }
    return at - data;
}

static void read_file(const char *path, int counting)
{
    static uint8_t buffer[512 << 10];
    uint8_t header[24];
    size_t kept = 0;
    ssize_t more;
    int file = open(path, O_RDONLY);
    if (file < 0 || read(file, header, sizeof header) != sizeof header)
        exit(1);
    uint32_t link = header[20] | header[21] << 8;
    if (link != ETHERNET && link != SLL2)
        exit(1);
    while ((more = read(file, buffer + kept, sizeof buffer - kept)) > 0) {
        size_t size = kept + more, done = walk(link, buffer, size, counting);
        kept = size - done;
        memmove(buffer, buffer + done, kept);
    }
    close(file);
}

int main(int argc, char **argv)
{
    int counting = argc > 1 && !strcmp(argv[1], "count");
    if (argc < 3 || (!counting && strcmp(argv[1], "walk")))
        return 2;
    make_room();
    for (int i = 2; i < argc; i++)
        read_file(argv[i], counting);
    add_batch();
    printf("%llu records, %llu bytes", (unsigned long long)records, (unsigned long long)captured);
    if (counting)
        printf(", %llu rows", (unsigned long long)used);
    puts("");
    return 0;
}
