/* The sample camera's largest picture. */
#ifndef SAMPLE_FILM_H
#define SAMPLE_FILM_H

#define FILM_MAX_SIDE 320

#endif
