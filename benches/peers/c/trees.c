#include "bench.h"

struct tree { struct tree *left, *right; };

// An arena per tree, as the fastest C programs have it; freed as a whole.
struct arena { struct tree *nodes; size_t used; };

static struct arena arena_for(int depth) {
    return (struct arena){malloc(sizeof(struct tree) << (depth + 1)), 0};
}

static struct tree *make(struct arena *arena, int depth) {
    struct tree *tree = &arena->nodes[arena->used++];
    if (depth > 0) {
        tree->left = make(arena, depth - 1);
        tree->right = make(arena, depth - 1);
    } else {
        tree->left = tree->right = NULL;
    }
    return tree;
}

static long check(const struct tree *tree) {
    return tree->left ? check(tree->left) + check(tree->right) + 1 : 1;
}

static double run(const long *sizes) {
    int n = sizes[0];
    struct arena arena = arena_for(n + 1);
    long nodes = check(make(&arena, n + 1));
    free(arena.nodes);
    struct arena long_lived = arena_for(n);
    struct tree *tree = make(&long_lived, n);
    for (int depth = 4; depth <= n; depth += 2) {
        arena = arena_for(depth);
        for (long i = 0; i < 1L << (n - depth + 4); i++) {
            arena.used = 0;
            nodes += check(make(&arena, depth));
        }
        free(arena.nodes);
    }
    nodes += check(tree);
    free(long_lived.nodes);
    return nodes;
}
