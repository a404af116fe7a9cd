/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Whether a program makes code of trees. A linter makes trees of what it reads,
 * and never code of them; then nothing tells its texts from those of a program
 * that runs them. The text is not seen again when the code is made, so user
 * space keeps those that a tree was made of.
 */
#ifndef KINGSNAKE_TREE_H
#define KINGSNAKE_TREE_H

/* Flags of types, from CPython's object.h. */
#define TYPE_READY (1 << 12)
#define TYPE_TEXT (1 << 27 | 1 << 28)

/* Whether the builtin compile takes an object for a tree, and not for a text. */
static __always_inline int is_tree(__u64 object, int may_be_v2)
{
	__u64 type = word_of_process(object + OBJECT_TYPE);
	__u64 flags = word_of_process(type + TYPE_FLAGS), name;

	/* Where objects are laid out in another way there is no such flag. */
	if (flags & TYPE_TEXT || !(flags & TYPE_READY))
		return 0;
	name = name_of_type(type, may_be_v2);
	return name != NAME_VIEW && name != NAME_BYTEARRAY && name != NAME_BUFFER;
}

/*
 * compile since 3.6, with an array of arguments; the third one is how many of
 * them have no name. A source that has one may be anything.
 */
SEC("uprobe")
int on_tree(struct registers *ctx)
{
	if (!ARGUMENT_3(ctx) || is_tree(word_of_process(ARGUMENT_2(ctx)), 0))
		tell_unread(COMPILED_TREE);
	return 0;
}

/* compile of 2.7, with a tuple of those that have no name. */
SEC("uprobe")
int on_tree_tuple(struct registers *ctx)
{
	__u64 arguments = ARGUMENT_2(ctx);

	if (!word_of_process(arguments + OBJECT_SIZE) ||
	    is_tree(word_of_process(arguments + TUPLE_ITEMS), 1))
		tell_unread(COMPILED_TREE);
	return 0;
}

#endif
