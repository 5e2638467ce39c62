"""Draws the stand-in for Fashion-MNIST: small garments of the same ten classes.

Every image is a shape in coordinates u (to the right) and v (downwards), both from -1 to 1, whose
measures are drawn from a fixed seed. A *cover* is how much of each pixel lies inside a shape, 0 to 1.
Only single-precision + - * / sqrt, comparisons and floor are used, so that every machine draws the
same bytes (softmax_lib._data knows their checksums). Rows of one class are drawn together:
measures have the shape (n, 1, 1), coordinates and covers broadcast to (n, 28, 28).
"""
import numpy as np

PIXEL = 14  # pixels in one unit of u and v


def draw(n, seed):
    """Draw n garments, the classes in equal parts and in random order.

    Returns images, uint8 (n, 28, 28), and labels, uint8 (n,), in 0 to 9.
    """
    random = np.random.RandomState(seed)
    labels = (random.permutation(n) % len(GARMENTS)).astype(np.uint8)
    images = np.empty((n, 28, 28), np.uint8)
    for label, (garment, options) in enumerate(GARMENTS):
        rows = np.flatnonzero(labels == label)
        for start in range(0, len(rows), 500):  # small enough for the processor's cache
            some = rows[start:start + 500]
            images[some] = _photograph(random, len(some), garment, options)
    return images, labels


def _photograph(random, n, garment, options):
    """n uint8 images of one garment: placed, lit, and with the grain of a small photograph."""
    def some(low, high):  # a measure between low and high for each image
        value = random.random_sample((n, 1, 1)).astype(np.float32)
        return value * np.float32(high - low) + np.float32(low)

    grid = (np.arange(28, dtype=np.float32) - 13.5) / PIXEL
    u = (grid[None, None, :] - some(-.10, .10)) / some(.80, 1.05)
    v = (grid[None, :, None] - some(-.08, .08)) / some(.86, 1.04)
    lean = some(-.12, .12)
    if garment in (_shoe, _boot, _sandal):  # their outline is a height over u: lean the height
        v = v + lean * u
    else:                                   # the others' is a width at v: lean the width
        u = u + lean * v
    cover, tone = garment(u, v, some, **options)
    fold = 1 - some(0, .35) * u * u + some(-.2, .2) * v
    light = cover * tone * fold * some(.4, 1.1) * 255
    grain = np.frombuffer(random.bytes(n * 784), np.uint8).reshape(n, 28, 28).astype(np.float32)
    light = light + cover * (grain - 128) * some(.05, .25)
    return np.clip(light, 0, 255).astype(np.uint8)


# -- strokes: each returns a cover ------------------------------------------------------------------

def _inside(distance):
    """The cover of a shape from the distance to its edge, positive inside: one pixel of soft edge."""
    return np.clip(distance * PIXEL + .5, 0, 1)


def _between(low, t, high):
    return _inside(np.minimum(t - low, high - t))


def _line(t, *knots):
    """The value at t of a line through the knots (t, value); beyond the first and last it is level."""
    value = knots[0][1]
    for (t0, a), (t1, b) in zip(knots, knots[1:]):
        value = value + (b - a) * np.clip((t - t0) / (t1 - t0), 0, 1)
    return value


def _wave(t):
    """A triangle wave between 0 and 1 with period 1."""
    return 2 * np.abs(t - np.floor(t) - .5)


def _is(share, some):
    """1 for this share of the images, 0 for the others."""
    return (some(0, 1) < share).astype(np.float32)


# -- garments: each returns (cover, tone) -----------------------------------------------------------

def _top(u, v, some, sleeve, width, length, waist, flare, opening, vneck, pattern, sleeveless=0):
    """T-shirt, pullover, dress, coat and shirt: a body, two sleeves, a neck, and what is on them."""
    across = np.abs(u)
    top, hem = some(-.92, -.82), some(*length)
    chest = some(*width)
    body = _line(v, (top, chest * some(.72, .92)), (top + .25, chest), (.1, chest * some(*waist)),
                 (hem, chest * some(*flare)))
    cover = _inside(body - across) * _between(top, v, hem)
    end = top + some(*sleeve)                        # where the sleeve ends, downwards
    wide, reach = some(.13, .19), some(.22, .42)
    middle = chest * .78 + reach * np.clip((v - top) * some(.7, 1.3), 0, 1)
    arm = _inside(wide - np.abs(across - middle)) * _between(top + .05, v, end)
    arm = arm * (1 - _is(sleeveless, some))
    shade = 1 - some(0, .3) * arm * (1 - cover)      # the arm lies in the body's shadow
    cover = np.maximum(cover, arm)
    neck, deep = some(.14, .26), some(.06, .22)
    pointed = _is(vneck, some)
    ratio = np.minimum(across / neck, 1)
    hollow = deep * (1 - ratio * (pointed + (1 - pointed) * ratio))
    cover = cover * (1 - _inside(top + hollow - v) * _inside(neck - across))
    front = _is(opening, some) * _inside(some(.01, .05) - across) * some(.2, .9)
    stripes = _is(pattern, some) * some(.2, .7) * _wave(v * some(1.5, 4) + some(0, 1))
    checks = _is(pattern / 3, some) * some(.1, .5) * _wave(u * some(1.5, 4) + some(0, 1))
    print_ = (_is(.3, some) * _between(some(-.5, -.2), v, some(-.1, .3)) * _inside(some(.1, .3) - across)
              * some(-.5, .5))
    tone = shade * (1 - front) * (1 - stripes) * (1 - checks) * (1 - print_)
    return cover, tone


def _trouser(u, v, some):
    across = np.abs(u)
    top, hem, fork = some(-.95, -.85), some(.8, .98), some(-.55, -.1)
    waist, spread = some(.24, .36), some(.0, .22)
    outer = _line(v, (top, waist), (fork, waist * some(1.05, 1.25)), (hem, waist * some(.75, 1.1) + spread))
    gap = _line(v, (fork - .3, -.15), (fork, 0), (hem, some(.02, .12) + spread))
    cover = _inside(outer - across) * _between(top, v, hem) * _inside(across - gap)
    belt = _between(top + .08, v, top + .14) * some(0, .5)
    crease = _inside(.03 - np.abs(across - (outer + gap) / 2)) * some(-.3, .3)
    return cover, (1 - belt) * (1 - crease)


def _bag(u, v, some):
    across = np.abs(u)
    top, bottom = some(-.35, .1), some(.5, .85)
    wide = some(.55, .9)
    body = _line(v, (top, wide * some(.7, 1.05)), (bottom - .12, wide), (bottom, wide * some(.8, 1)))
    cover = _inside(body - across) * _between(top, v, bottom)
    high, broad = some(.2, .7), wide * some(.35, .8)
    radius = np.sqrt(np.square(across / broad) + np.square((v - top) / high))
    handle = _inside(some(.04, .09) - np.abs(radius - 1) * np.minimum(high, broad)) * _inside(top - v)
    handle = handle * _is(.85, some)
    flap = _inside(.03 - np.abs(v - top - (bottom - top) * some(.2, .6))) * some(0, .6)
    clasp = _inside(some(.03, .12) - np.maximum(across, np.abs(v - (top + bottom) / 2))) * some(-.5, .6)
    return np.maximum(cover, handle), (1 - flap) * (1 - clasp)


def _outline(u, some, toe, ankle, shaft, instep, rise):
    """Where a shoe with its toe on the left begins and ends, and the height of its upper edge over u."""
    left, right, front = some(-.98, -.85), some(.78, .95), some(*instep)
    toe, ankle, shaft = some(*toe), some(*ankle), some(*shaft)
    upper = _line(u, (left, toe + .2), (left + .2, toe), (front - some(*rise), toe - .08), (front, ankle),
                  (front + .25, ankle - shaft / 2), (right, ankle - shaft))
    return left, right, upper


def _shoe(u, v, some):
    floor = some(.35, .5)
    left, right, upper = _outline(u, some, toe=(.05, .2), ankle=(-.25, -.05), shaft=(-.15, .15),
                                  instep=(.0, .3), rise=(.35, .75))
    cover = _between(upper, v, floor) * _between(left, u, right)
    sole = _inside(v - floor + some(.06, .2)) * some(-.6, .6)
    laces = (_is(.7, some) * _wave(u * 4 + v * 3) * _between(-.45, u, some(-.1, .2)) * _inside(upper + .2 - v)
             * some(.2, .8))
    mark = _is(.5, some) * _inside(.09 - np.abs(u + v * some(-.8, .8) - some(0, .4))) * some(-.5, .5)
    return cover, (1 - sole) * (1 - laces) * (1 - mark)


def _boot(u, v, some):
    floor, heel = some(.6, .85), some(.05, .4)
    left, right, upper = _outline(u, some, toe=(.25, .4), ankle=(-.85, -.3), shaft=(-.06, .1),
                                  instep=(-.15, .15), rise=(.12, .4))
    bottom = floor - heel * _line(u, (left, 0), (some(-.3, .1), .3), (some(.3, .5), 1))
    stack = _between(some(.3, .6), u, right) * _between(bottom - .1, v, floor)
    cover = np.maximum(_between(upper, v, bottom) * _between(left, u, right), stack)
    sole = _inside(v - bottom + .08) * some(-.3, .6)
    zip_ = _is(.5, some) * _inside(.05 - np.abs(u - some(.1, .6))) * some(0, .6)
    return cover, (1 - sole) * (1 - zip_)


def _sandal(u, v, some):
    floor, heel = some(.4, .6), some(.0, .6) * _is(.6, some)
    left, right, upper = _outline(u, some, toe=(.05, .3), ankle=(-.4, .0), shaft=(-.2, .2),
                                  instep=(.1, .5), rise=(.3, .8))
    sole = floor - heel * _line(u, (left, 0), (some(-.5, -.2), 0), (right, 1))
    upper = upper - heel * _line(u, (left, 0), (right, .8))
    base = _between(sole - some(.06, .16), v, sole)
    edge = _between(upper, v, upper + some(.08, .18)) * _is(.9, some)
    bands = _inside((_wave(u * some(.9, 1.7) + v * some(-.8, .8) + some(0, 1)) - some(.5, .8)) * .4)
    straps = np.maximum(edge, bands * _between(upper, v, sole))
    spike = _between(right - some(.08, .25), u, right) * _between(sole, v, floor)
    cover = np.maximum(np.maximum(base, straps) * _between(left, u, right), spike)
    return cover, 1 - some(0, .5) * base


GARMENTS = (  # in the order of the dataset's classes
    (_top, dict(sleeve=(.35, .75), width=(.40, .58), length=(.70, .95), waist=(.88, 1.0), flare=(.9, 1.08),
                opening=.05, vneck=.25, pattern=.25, sleeveless=.08)),
    (_trouser, {}),
    (_top, dict(sleeve=(1.15, 1.75), width=(.42, .60), length=(.60, .92), waist=(.88, 1.0), flare=(.85, 1.02),
                opening=.05, vneck=.2, pattern=.35)),
    (_top, dict(sleeve=(.15, 1.2), width=(.26, .42), length=(.80, .99), waist=(.65, .95), flare=(.95, 1.7),
                opening=.05, vneck=.4, pattern=.25, sleeveless=.6)),
    (_top, dict(sleeve=(1.3, 1.8), width=(.42, .60), length=(.75, .98), waist=(.85, 1.0), flare=(.9, 1.1),
                opening=.85, vneck=.8, pattern=.1)),
    (_sandal, {}),
    (_top, dict(sleeve=(.45, 1.75), width=(.40, .58), length=(.65, .95), waist=(.85, 1.0), flare=(.85, 1.1),
                opening=.6, vneck=.6, pattern=.5, sleeveless=.04)),
    (_shoe, {}),
    (_bag, {}),
    (_boot, {}),
)
