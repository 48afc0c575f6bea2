/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tlv: a table of attributes that user memory sets and gets, as netlink's are.
 *
 * A message is a sequence of attributes: a header, the payload, and padding up
 * to a multiple of %TLV_ALIGN, which the last attribute may lack. Setting a
 * message commits all of its attributes or, on any error, none.
 *
 * Each byte of a message is read once, and the whole message before any of it
 * is looked at: user space may change it at any time. So an unreadable byte
 * wins over whatever is wrong with the others. User memory is touched with no
 * lock held, since that may fault. Operations may run at the same time from
 * several threads; a mutex inside orders them.
 */
#ifndef _KPARITY_TLV_H
#define _KPARITY_TLV_H

#include "contract/kparity.h"

/** define TLV_TYPES - attributes have the types 0 to TLV_TYPES - 1 */
#define TLV_TYPES	8

/** define TLV_PAYLOAD_MAX - the longest payload a table can be made for */
#define TLV_PAYLOAD_MAX	32

/** define TLV_MSG_MAX - the longest message, in bytes */
#define TLV_MSG_MAX	256

/** define TLV_ALIGN - attributes start at multiples of this in a message */
#define TLV_ALIGN	4

/**
 * struct tlv_attr - the header of an attribute, in user memory
 * @len: bytes of header and payload, without padding
 * @type: what the payload is
 */
struct tlv_attr {
	u16 len;
	u16 type;
};

/** struct tlv - a table; each implementation has its own definition */
struct tlv;

/**
 * struct tlv_view - the state that both languages must agree on
 * @limit: the longest payload that the table takes
 * @count: number of types that are set
 * @present: a bit a type, set while the type is
 * @len: bytes of each type's payload; 0 for one that is not set
 * @digest: FNV-1a over the payloads, in the order of types
 */
struct tlv_view {
	u32 limit;
	u16 count;
	u16 present;
	u8 len[TLV_TYPES];
	u64 digest;
};

/** define TLV_DIGEST - the start of a digest */
#define TLV_DIGEST	0xcbf29ce484222325ULL

/** define TLV_DIGEST_PRIME - the factor of a digest after each byte */
#define TLV_DIGEST_PRIME	0x100000001b3ULL

/**
 * tlv_create() - make an empty table
 * @limit: the longest payload it takes, 1 to %TLV_PAYLOAD_MAX
 *
 * Return: the table, owned by the caller, who gives it to tlv_destroy();
 *         ERR_PTR(-EINVAL) for any other limit, before memory is touched;
 *         ERR_PTR(-ENOMEM)
 */
struct tlv *tlv_create(u32 limit);

/**
 * tlv_destroy() - release a table
 * @tlv: the table; no one may use it any more
 */
void tlv_destroy(struct tlv *tlv);

/**
 * tlv_set() - commit a message
 * @tlv: the table
 * @msg: the message
 * @len: bytes in it
 *
 * Of several attributes of one type the last one counts.
 *
 * Return: number of types that the message set; -EMSGSIZE for a message longer
 *         than %TLV_MSG_MAX, before memory is touched; -EFAULT if a byte cannot be
 *         read, before any is looked at. Then the first attribute with an error
 *         decides, by -EINVAL if its header or payload is cut short or its length
 *         shorter than a header, else -EOPNOTSUPP for an unknown type, else -ERANGE
 *         for a payload beyond the limit.
 */
int tlv_set(struct tlv *tlv, const void __user *msg, u32 len);

/**
 * tlv_get() - write the attribute of a type, its padding zeroed
 * @tlv: the table
 * @type: the type
 * @buf: where to; bytes beyond the padding are untouched
 * @room: bytes that there is room for
 *
 * Return: bytes written, a multiple of %TLV_ALIGN; -EINVAL for an unknown type,
 *         first; -ENOENT for one that is not set; -EMSGSIZE if @room is too small,
 *         and then @buf is untouched; -EFAULT if @buf cannot be written, and then
 *         a part may have been
 */
int tlv_get(struct tlv *tlv, u32 type, void __user *buf, u32 room);

/**
 * tlv_clear() - forget all attributes
 * @tlv: the table
 *
 * Return: number of types that were set
 */
u32 tlv_clear(struct tlv *tlv);

/**
 * tlv_count() - count the types that are set
 * @tlv: the table
 *
 * Return: their number
 */
u32 tlv_count(struct tlv *tlv);

/**
 * tlv_view() - describe the state
 * @tlv: the table
 * @view: receives the state; zeroed
 */
void tlv_view(struct tlv *tlv, struct tlv_view *view);

#ifndef __BINDGEN__
/* Functions that the invariants call. */
struct kp_user;

/**
 * tlv_same() - whether two states are one
 * @a: a state
 * @b: another one
 */
bool tlv_same(const struct tlv_view *a, const struct tlv_view *b);

/**
 * tlv_longest() - the length of the longest payload
 * @view: the state
 */
u32 tlv_longest(const struct tlv_view *view);

/**
 * tlv_set_result() - the return value of tlv_set()
 * @was: the state before it
 * @msg: the message
 */
s64 tlv_set_result(const struct tlv_view *was, struct kp_user msg);

/**
 * tlv_get_result() - the return value of tlv_get()
 * @was: the state before it
 * @type: the type
 * @buf: the buffer
 */
s64 tlv_get_result(const struct tlv_view *was, u32 type, struct kp_user buf);

/**
 * tlv_ends_empty() - the type of a message's last attribute if that has no payload
 * @was: the state before it is set
 * @msg: the message
 *
 * Return: the type, else -1
 */
int tlv_ends_empty(const struct tlv_view *was, struct kp_user msg);
#endif

/* Pieces of messages: payloads, and an attribute of 32 bytes. */
#define TLV_16		"abcdefghijklmnop"
#define TLV_32		TLV_16 "qrstuvwxyz012345"
#define TLV_ATTR(type)	"\040\000" type "\000" TLV_16 "qrstuvwxyz01"

KP_OBJECT(struct tlv, struct tlv_view, tlv_view)
KP_CREATE(tlv_create, SLEEPS, KP_RESULT(struct tlv *, -EINVAL, -ENOMEM),
	  KP_NUMBER(u32, limit, .lo = 1, .hi = TLV_PAYLOAD_MAX, .beyond = true))
KP_DESTROY(tlv_destroy, SLEEPS,
	   .budget = "50 %: memory is freed by krealloc_node_align(), C's by kfree()")
KP_METHOD(tlv_set, SLEEPS,
	  KP_RESULT(int, -EMSGSIZE, -EFAULT, -EINVAL, -EOPNOTSUPP, -ERANGE),
	  KP_USER_BYTES(msg, u32, .max = TLV_MSG_MAX + 1, .beyond = true, .once = true,
			.parts = KP_PARTS("\004\000\003\000", "\004\000\000\000",
					  "\005\000\001\000a\377\377\377",
					  "\005\000\004\000b\377\377\377",
					  "\006\000\007\000cd\377\377", "\007\000\005\000efg\377",
					  "\010\000\000\000hijk", "\010\000\002\000lmno",
					  "\010\000\006\000pqrs",
					  "\011\000\002\000tuvwx\377\377\377",
					  "\020\000\004\000abcdefghijkl",
					  "\024\000\005\000" TLV_16, "\024\000\003\000" TLV_16,
					  /* beyond most limits, and the longest message */
					  "\025\000\006\000" TLV_16 "q\377\377\377",
					  "\044\000\007\000" TLV_32,
					  TLV_ATTR("\000") TLV_ATTR("\001") TLV_ATTR("\002")
					  TLV_ATTR("\003") TLV_ATTR("\004") TLV_ATTR("\005")
					  TLV_ATTR("\006") TLV_ATTR("\007"),
					  /* without its padding; beyond any limit */
					  "\011\000\004\000vwxyz",
					  "\045\000\000\000" TLV_32 "6\377\377\377",
					  /* of an unknown type; cut short */
					  "\010\000\010\000abcd", "\004\000\377\377",
					  "\003\000\001\000", "\000\000\001\000",
					  "\377\377\001\000", "\010\000\001")),
	  .weight = 18, .locks = "mutex: after the message is read",
	  .budget = "20 %, 92 instructions: read_slice() is a call; attributes are cut with bounds",
	  .owns = "the message stays the caller's; payloads are copied",
	  .on_error = "the table is as it was")
KP_METHOD(tlv_get, SLEEPS, KP_RESULT(int, -EINVAL, -ENOENT, -EMSGSIZE, -EFAULT),
	  KP_NUMBER(u32, type, .hi = TLV_TYPES - 1, .beyond = true),
	  KP_USER_BUFFER(buf, u32, .max = 64, .beyond = true),
	  .weight = 14, .locks = "mutex: dropped before it writes",
	  .budget = "50 %: write_slice() is a call; header and payload are slices, with bounds",
	  .owns = "the attribute is copied out and stays in the table",
	  .on_error = "the table is as it was, the buffer too but for EFAULT")
KP_METHOD(tlv_clear, SLEEPS, KP_UNSIGNED(u32), .weight = 1,
	  .locks = "mutex", .owns = "the attributes are gone")
KP_METHOD(tlv_count, SLEEPS, KP_UNSIGNED(u32), .weight = 4,
	  .locks = "mutex", .owns = "nothing")

KP_HOLDS(attributes, now->count)
KP_TYPE(struct tlv_attr, len, type)
KP_TYPE(struct tlv_view, limit, count, present, len, digest)

KP_INVARIANT(limit_kept, lifetime,
	     "the limit is fixed, and no attribute is ever longer",
	     "limit is written by create alone; payloads are compared with it before a commit",
	     true,
	     now->limit == was->limit && tlv_longest(now) <= now->limit)
KP_INVARIANT(set_adds, ownership,
	     "a set that succeeds takes no type away and sets as many as it says",
	     "tlv_commit() writes the slots of the types in the message alone",
	     op == TLV_SET && ret >= 0,
	     (was->present & ~now->present) == 0 && ret <= now->count &&
	     now->count <= was->count + ret)
KP_INVARIANT(all_or_nothing, ownership,
	     "a set that fails leaves the table as it was",
	     "the message is parsed to its end before tlv_commit() is called",
	     op == TLV_SET && ret < 0,
	     tlv_same(now, was))
KP_INVARIANT(set_valid, errors,
	     "a valid message within the limit is set",
	     "there is no other way out of tlv_parse()",
	     op == TLV_SET && tlv_set_result(was, kp_user(o, 0)) >= 0,
	     ret == tlv_set_result(was, kp_user(o, 0)))
KP_INVARIANT(set_range, errors,
	     "a payload beyond the limit is ERANGE",
	     "compared with the limit before it is taken",
	     op == TLV_SET && tlv_set_result(was, kp_user(o, 0)) == -ERANGE,
	     ret == -ERANGE)
KP_INVARIANT(set_cut, errors,
	     "a header or a payload that is cut short is EINVAL",
	     "both are compared with what is left of the message",
	     op == TLV_SET && tlv_set_result(was, kp_user(o, 0)) == -EINVAL,
	     ret == -EINVAL)
KP_INVARIANT(set_unknown, errors,
	     "an unknown type is EOPNOTSUPP",
	     "the type is compared with the number of types",
	     op == TLV_SET && tlv_set_result(was, kp_user(o, 0)) == -EOPNOTSUPP,
	     ret == -EOPNOTSUPP)
KP_INVARIANT(set_unmapped, errors,
	     "a byte that cannot be read is EFAULT, whatever the others hold",
	     "the message is copied as a whole before it is looked at",
	     op == TLV_SET && tlv_set_result(was, kp_user(o, 0)) == -EFAULT,
	     ret == -EFAULT)
KP_INVARIANT(set_big, errors,
	     "a message that is too long is EMSGSIZE, mapped or not",
	     "the length is compared before memory is touched",
	     op == TLV_SET && tlv_set_result(was, kp_user(o, 0)) == -EMSGSIZE,
	     ret == -EMSGSIZE)
KP_INVARIANT(zero_length, compatibility,
	     "an attribute without payload is valid and set",
	     "presence is a flag of its own, not a length above 0",
	     op == TLV_SET && ret > 0 && tlv_ends_empty(was, kp_user(o, 0)) >= 0,
	     now->present & BIT(tlv_ends_empty(was, kp_user(o, 0))) &&
	     now->len[tlv_ends_empty(was, kp_user(o, 0))] == 0)
KP_INVARIANT(get_result, errors,
	     "get gives the padded length or, in this order, EINVAL, ENOENT, EMSGSIZE, EFAULT",
	     "each is tested in this order",
	     op == TLV_GET,
	     ret == tlv_get_result(was, arg[0], kp_user(o, 1)))
KP_INVARIANT(reads_pure, ownership,
	     "get and count change nothing",
	     "both only read the table",
	     op == TLV_GET || op == TLV_COUNT,
	     tlv_same(now, was) && (op == TLV_GET || ret == was->count))
KP_INVARIANT(clear_all, lifetime,
	     "clear forgets all attributes and says how many they were",
	     "the slots are cleared under one lock",
	     op == TLV_CLEAR,
	     ret == was->count && !now->count && !now->present)
KP_PROMISE(read_once, concurrency,
	   "a message that changes while it is read gives each byte as it was read, once",
	   "one copy_from_user() a message")
KP_PROMISE(copied, lifetime,
	   "what has been set does not change when the message does",
	   "payloads are copied into the table")
KP_PROMISE(whole, concurrency,
	   "threads that set, clear and count see all of a message or none of it",
	   "one mutex around each commit")
KP_PROMISE(fault_unlocked, context,
	   "user memory is touched with no lock held: a fault handler may use the table",
	   "copies are made before the mutex is taken or after it is dropped")
KP_PROMISE(faults_in, context,
	   "a page that is not there yet is brought in, by sleeping if need be",
	   "copy_from_user() and copy_to_user(), not their atomic relatives")
KP_PROMISE(no_leak, ownership,
	   "get writes header, payload and zeroed padding, and not a byte more",
	   "the attribute is built in a buffer whose padding is cleared")
KP_PROMISE(layout, layout,
	   "both languages see the same attributes and views",
	   "one definition, in this header, which bindgen reads")

/* What make coverage finds no program for, and why. */
KP_ONE_WAY("tlv.c: if (copy_to_user(buf, &reply, len))",
	   "the length is compared with the size of the reply, which the longest one has",
	   .arch = x86_64)
KP_ONE_WAY("tlv.rs: if let Some(data) = self.data.get_mut(..payload.len()) {",
	   "parse() has refused a payload beyond the limit, which is at most PAYLOAD_MAX")
KP_ONE_WAY("tlv.rs: Attrs::parse(self, message, &mut found).map(|attrs| attrs.commit() as c_int)",
	   "behind parse(), which is inlined: a reference is looked at for NULL")

#endif
