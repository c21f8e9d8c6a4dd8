/*
 * list - intrusive doubly linked lists.
 *
 * A node is a member of what it links; a list owns nothing. An unlinked node points at itself, so removing twice is
 * harmless. ph_list_each survives the removal of the current element, but not of the next one: code that calls back
 * into scripts marks elements dead and sweeps later.
 */
#ifndef PH_BASE_LIST_H
#define PH_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct ph_list {
	struct ph_list *next, *prev;
};

#define PH_LIST_OF(node, type, member) ((type *)(void *)((char *)(node) - offsetof(type, member)))

#define ph_list_each(pos, list, type, member)                                                                        \
	for (struct ph_list *pos##_node = (list)->next, *pos##_next;                                                 \
	     pos##_node != (list) && (pos##_next = pos##_node->next, pos = PH_LIST_OF(pos##_node, type, member));    \
	     pos##_node = pos##_next)

static inline void ph_list_init(struct ph_list *node)
{
	node->next = node->prev = node;
}

static inline bool ph_list_is_empty(const struct ph_list *list)
{
	return list->next == list;
}

static inline void ph_list_add_tail(struct ph_list *list, struct ph_list *node)
{
	node->prev = list->prev;
	node->next = list;
	list->prev->next = node;
	list->prev = node;
}

static inline void ph_list_remove(struct ph_list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	ph_list_init(node);
}

#endif
