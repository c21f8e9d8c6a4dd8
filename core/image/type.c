#include "image/type.h"

#include <stdlib.h>

void ph_types_fini(struct ph_types *types)
{
	for (size_t i = 0; i < types->n; i++)
		free(types->types[i].name);
	for (size_t i = 0; i < types->n_members; i++)
		free(types->members[i].name);
	for (size_t i = 0; i < types->n_enumerators; i++)
		free(types->enumerators[i].name);
	free(types->types);
	free(types->members);
	free(types->enumerators);
	*types = (struct ph_types){ 0 };
}
