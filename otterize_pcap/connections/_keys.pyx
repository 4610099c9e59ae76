# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""Strings of bytes, numbered in the order in which they are met."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcmp, memcpy


cdef class Keys:
    """Numbers keys; `secret` is a number that whoever wrote the capture does not know."""

    def __cinit__(self, uint64_t secret):
        self.secret = secret | 1
        self.slot_bits = 8
        self.slots = <KeySlot *>calloc(1 << 8, sizeof(KeySlot))
        self.begins = <uint64_t *>calloc(1, sizeof(uint64_t))
        if self.slots == NULL or self.begins == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.text)
        free(self.begins)
        free(self.slots)

    def __len__(self):
        return self.count

    cdef uint32_t number_of(self, const uint8_t *key, uint32_t length) except? 0xFFFFFFFF nogil:
        """The number of a key; `count` has grown where it is new."""
        cdef uint64_t hash_ = self._hash(key, length)
        cdef uint64_t place = self._place(key, length, hash_)
        if self.slots[place].number:
            return self.slots[place].number - 1
        self._add(key, length)
        self.slots[place].tag = <uint32_t>(hash_ >> 32)
        self.slots[place].number = self.count
        if <uint64_t>self.count * 2 > <uint64_t>1 << self.slot_bits:
            self._grow()
        return self.count - 1

    cdef uint32_t find(self, const uint8_t *key, uint32_t length) noexcept nogil:
        """The number of a key, NO_KEY where it has none."""
        cdef uint64_t place = self._place(key, length, self._hash(key, length))
        return self.slots[place].number - 1 if self.slots[place].number else <uint32_t>NO_KEY

    cdef uint64_t _place(
        self, const uint8_t *key, uint32_t length, uint64_t hash_
    ) noexcept nogil:
        """The slot of a key, or the empty one where it belongs."""
        cdef uint64_t mask = (<uint64_t>1 << self.slot_bits) - 1
        cdef uint64_t place = hash_ >> (64 - self.slot_bits)
        cdef uint32_t tag = <uint32_t>(hash_ >> 32), number
        while self.slots[place].number:
            number = self.slots[place].number - 1
            if (self.slots[place].tag == tag and self.length(number) == length
                    and memcmp(self.key(number), key, length) == 0):
                break
            place = (place + 1) & mask
        return place

    cdef int _add(self, const uint8_t *key, uint32_t length) except -1 nogil:
        cdef uint8_t *text
        cdef uint64_t *begins
        if self.used + length > self.room:
            text = <uint8_t *>realloc(self.text, 2 * self.room + length + 4096)
            if text == NULL:
                raise MemoryError
            self.text, self.room = text, 2 * self.room + length + 4096
        if self.count + 1 >= self.begin_room:
            begins = <uint64_t *>realloc(
                self.begins, (<size_t>2 * self.begin_room + 256) * sizeof(uint64_t))
            if begins == NULL:
                raise MemoryError
            self.begins, self.begin_room = begins, 2 * self.begin_room + 256
        memcpy(self.text + self.used, key, length)
        self.used += length
        self.count += 1
        self.begins[self.count] = self.used
        return 0

    cdef int _grow(self) except -1 nogil:
        """Double the index; tags tell where a slot goes without a look at the keys."""
        cdef int bits = self.slot_bits + 1
        cdef uint64_t size = <uint64_t>1 << bits, old, place
        cdef KeySlot *slots = NULL
        if bits <= 32:
            slots = <KeySlot *>calloc(size, sizeof(KeySlot))
        if slots == NULL:
            raise MemoryError
        for old in range(<uint64_t>1 << self.slot_bits):
            if self.slots[old].number:
                place = <uint64_t>self.slots[old].tag >> (32 - bits)
                while slots[place].number:
                    place = (place + 1) & (size - 1)
                slots[place] = self.slots[old]
        free(self.slots)
        self.slots = slots
        self.slot_bits = bits
        return 0

    cdef uint64_t _hash(self, const uint8_t *key, uint32_t length) noexcept nogil:
        cdef uint64_t total = self.secret ^ length, word
        cdef uint32_t at = 0
        while at < length:
            word = 0
            memcpy(&word, key + at, min(<uint32_t>8, length - at))
            total = (total ^ word) * <uint64_t>0x9E3779B97F4A7C15u
            total = (total ^ (total >> 29)) * self.secret
            at += 8
        return total ^ (total >> 32) ^ (total << 17)
